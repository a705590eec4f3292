/**
 * Which rows in memory can meet an index predicate (../index/predicate.ts): what an index says of the blocks of a file,
 * said of single rows, for their columns are at hand. Necessary and not sufficient, as the predicate is.
 *
 * A verdict is a byte a row, 1 where it may meet the predicate; `undefined` stands for all of them. No value becomes an
 * object, but for the JSON of resources, of which there are few.
 */
import { foldedValue, jsonColumns, mapColumn, serviceColumn } from "../index/fields.ts";
import { jsonFields } from "../index/json_fields.ts";
import type { IndexPredicate, PartPredicate, WordPredicate } from "../index/predicate.ts";
import type { Chunk } from "../model/chunk.ts";
import { columnsOf } from "../model/columns.ts";
import type { DictionaryVector, FixedVector, MapVector, Utf8Vector, Vector } from "../model/vector.ts";
import { multiByte, wordByteTable } from "../text/word.ts";

export type Verdicts = Uint8Array | undefined;

/** @param rows of the chunk that count */
export function memoryVerdicts(predicate: IndexPredicate, chunk: Chunk, rows: number): Verdicts {
  switch (predicate.kind) {
    case "all":
      return undefined;
    case "none":
      return new Uint8Array(rows);
    case "and":
      return allVerdicts(predicate.of, chunk, rows);
    case "or": {
      const either = new Uint8Array(rows);
      for (const each of predicate.of) {
        const verdicts = memoryVerdicts(each, chunk, rows);
        if (verdicts === undefined) return undefined;
        for (let row = 0; row < rows; row++) either[row] |= verdicts[row];
      }
      return either;
    }
    case "equal":
      return equalVerdicts(chunk, predicate.field, predicate.value, rows);
    case "level":
      return levelVerdicts(vectorOf(chunk, predicate.field), predicate.least, rows);
    case "folded": {
      const { value } = predicate;
      return codedVerdicts(vectorOf(chunk, predicate.field), rows, (text) => {
        const folded = foldedValue(text);
        return folded === undefined || folded === value;
      });
    }
    case "pair":
      return memoryVerdicts(
        {
          kind: "and",
          of: [{ kind: "equal", field: serviceColumn, value: predicate.service }, predicate.with],
        },
        chunk,
        rows,
      );
    case "word":
    case "part":
      return wordVerdicts(chunk, predicate, rows);
  }
}

function allVerdicts(predicates: readonly IndexPredicate[], chunk: Chunk, rows: number): Verdicts {
  let left: Verdicts;
  const areLeft = (each: IndexPredicate) => {
    left = both(left, memoryVerdicts(each, chunk, rows));
    return left?.includes(1) !== false;
  };
  const dear = predicates.filter(looksIntoTexts);
  if (!predicates.filter((each) => !looksIntoTexts(each)).every(areLeft)) return left;
  if (dear.some((each) => isNowhere(each, chunk, rows))) return new Uint8Array(rows);
  dear.every(areLeft);
  return left;
}

function looksIntoTexts(predicate: IndexPredicate): boolean {
  switch (predicate.kind) {
    case "and":
    case "or":
      return predicate.of.some(looksIntoTexts);
    default:
      return predicate.kind === "word" || predicate.kind === "part";
  }
}

function both(left: Verdicts, right: Verdicts): Verdicts {
  if (left === undefined || right === undefined) return left ?? right;
  for (let row = 0; row < left.length; row++) left[row] &= right[row];
  return left;
}

function vectorOf({ signal, vectors }: Chunk, column: string): Vector | undefined {
  return vectors[columnsOf[signal].findIndex(({ name }) => name === column)];
}

function equalVerdicts(chunk: Chunk, field: string, value: string, rows: number): Verdicts {
  const column = [mapColumn, ...jsonColumns].find((each) => field.startsWith(`${each}.`));
  const vector = vectorOf(chunk, column ?? field);
  const bytes = textEncoder.encode(value);
  if (column !== undefined) {
    const key = field.slice(column.length + 1);
    if (vector?.kind === "map") return entryVerdicts(vector, textEncoder.encode(key), bytes, rows);
    return codedVerdicts(vector, rows, (text) => {
      const { fields, isWhole } = jsonFields(text);
      return !isWhole || fields.some(([name, own]) => name === key && (own === undefined || own === value));
    });
  }
  switch (vector?.kind) {
    case "utf8":
      return textVerdicts(vector, bytes, rows);
    case "dictionary":
      return byCode(vector, ofCode(vector, bytes), rows);
    case "fixed":
      return /^-?\d{1,15}$/.test(value) ? numberVerdicts(vector, Number(value), rows) : undefined;
    default:
      return undefined;
  }
}

function textVerdicts({ offsets, bytes }: Utf8Vector, wanted: Uint8Array, rows: number): Uint8Array {
  const verdicts = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) {
    if (isText(bytes, offsets[row], offsets[row + 1], wanted)) verdicts[row] = 1;
  }
  return verdicts;
}

function isText(bytes: Uint8Array, from: number, end: number, wanted: Uint8Array): boolean {
  if (end - from !== wanted.length) return false;
  for (let at = 0; at < wanted.length; at++) if (bytes[from + at] !== wanted[at]) return false;
  return true;
}

/** The code of a value; -1 where no row has it. */
function codeOf(vector: DictionaryVector, wanted: Uint8Array): number {
  for (let code = 0; code < vector.values.length; code++) {
    if (vector.matches(code, wanted, 0, wanted.length)) return code;
  }
  return -1;
}

/** The verdicts of values of which one is wanted. */
function ofCode(vector: DictionaryVector, wanted: Uint8Array): Uint8Array {
  const verdicts = new Uint8Array(vector.values.length), code = codeOf(vector, wanted);
  if (code >= 0) verdicts[code] = 1;
  return verdicts;
}

/** Rows have the verdicts of their values. */
function byCode({ codes }: DictionaryVector, ofValues: Uint8Array, rows: number): Uint8Array {
  const verdicts = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) verdicts[row] = ofValues[codes[row]];
  return verdicts;
}

/** Of a column of few values, each of which is looked at as text. */
function codedVerdicts(
  vector: Vector | undefined,
  rows: number,
  isWanted: (text: string) => boolean,
): Verdicts {
  if (vector?.kind !== "dictionary" || vector.values.length > readValuesMax) return undefined;
  const ofValues = new Uint8Array(vector.values.length);
  for (let code = 0; code < ofValues.length; code++) {
    ofValues[code] = isWanted(vector.values.text(code) ?? "") ? 1 : 0;
  }
  return byCode(vector, ofValues, rows);
}

/** To read more texts than these takes longer than to have the engine go through the rows. */
const readValuesMax = 2_000;

function entryVerdicts(
  { offsets, keys, values }: MapVector,
  key: Uint8Array,
  value: Uint8Array,
  rows: number,
): Uint8Array {
  const verdicts = new Uint8Array(rows);
  const wanted = codeOf(keys, key);
  if (wanted < 0) return verdicts;
  for (let row = 0, entry = offsets[0]; row < rows; row++) {
    for (; entry < offsets[row + 1]; entry++) {
      if (keys.codes[entry] !== wanted) continue;
      if (isText(values.bytes, values.offsets[entry], values.offsets[entry + 1], value)) verdicts[row] = 1;
    }
  }
  return verdicts;
}

/** Of whole numbers that a double holds. */
function numberVerdicts({ type, words }: FixedVector, wanted: number, rows: number): Verdicts {
  const verdicts = new Uint8Array(rows);
  switch (type) {
    case "int32":
    case "uint32":
      for (let row = 0; row < rows; row++) verdicts[row] = words[row] === (wanted | 0) ? 1 : 0;
      return verdicts;
    case "int64":
    case "uint64": {
      const low = wanted | 0, high = Math.floor(wanted / 2 ** 32) | 0;
      for (let row = 0; row < rows; row++) {
        verdicts[row] = words[row * 2] === low && words[row * 2 + 1] === high ? 1 : 0;
      }
      return verdicts;
    }
    default:
      return undefined;
  }
}

function levelVerdicts(vector: Vector | undefined, least: number, rows: number): Verdicts {
  if (vector?.kind !== "fixed" || vector.type !== "int32") return undefined;
  const verdicts = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) verdicts[row] = vector.words[row] >= least ? 1 : 0;
  return verdicts;
}

function wordVerdicts(chunk: Chunk, predicate: WordPredicate | PartPredicate, rows: number): Verdicts {
  const wanted = predicate.kind === "part" ? predicate : { text: predicate.word, atStart: true, atEnd: true };
  const vector = vectorOf(chunk, predicate.column);
  if (vector?.kind === "utf8") return containing(vector, wanted, rows);
  if (vector?.kind !== "dictionary") return undefined;
  const ofValues = containing(vector.values, wanted, vector.values.length);
  return ofValues && byCode(vector, ofValues, rows);
}

/** Whether texts have no such word, which is known sooner than which of them have another one that is frequent. */
function isNowhere(predicate: IndexPredicate, chunk: Chunk, rows: number): boolean {
  if (predicate.kind !== "word" && predicate.kind !== "part") return false;
  const text = predicate.kind === "part" ? predicate.text : predicate.word;
  const vector = vectorOf(chunk, predicate.column);
  if (vector?.kind !== "utf8" || !isFindable(text)) return false;
  const { bytes, others } = vector.folded(rows);
  return !others.some(({ letter }) => text.includes(letter)) && !bytes.includes(text);
}

/** Whether a text is found in any case by its bytes in the folded texts, letters in a case beyond ASCII aside. */
function isFindable(text: string): boolean {
  // deno-lint-ignore no-control-regex -- ASCII is meant whole
  return /^[\x01-\x7f]+$/.test(text);
}

/** Texts that contain a folded one, in any case. */
function containing(
  vector: Utf8Vector,
  { text, atStart, atEnd }: Pick<PartPredicate, "text" | "atStart" | "atEnd">,
  count: number,
): Verdicts {
  if (!isFindable(text)) return undefined;
  const { bytes, others } = vector.folded(count), wanted = Buffer.from(text);
  const verdicts = new Uint8Array(count);
  const isEdge = (byte: number) => wordByteTable[byte] === 0 || wordByteTable[byte] === multiByte;
  const isWhole = (at: number, from: number, end: number) => {
    const after = at + wanted.length;
    if (after > end) return false;
    return (!atStart || at === from || isEdge(bytes[at - 1])) &&
      (!atEnd || after === end || isEdge(bytes[after]));
  };
  if (!markTexts(verdicts, vector.offsets, bytes, wanted, isWhole)) return undefined;
  // A letter in one of its cases beyond ASCII: what has it at all may have the word.
  for (const { letter, bytes: other } of others) {
    if (text.includes(letter) && !markTexts(verdicts, vector.offsets, bytes, other, () => true)) {
      return undefined;
    }
  }
  return verdicts;
}

/**
 * Gives the verdict 1 to texts in which bytes stand where they may. Returns false when these are too many to narrow
 * anything.
 */
function markTexts(
  verdicts: Uint8Array,
  offsets: Int32Array,
  bytes: Buffer,
  wanted: Buffer,
  isThere: (at: number, from: number, end: number) => boolean,
): boolean {
  let text = 0, looksLeft = firstLooks + verdicts.length * looksShareMax;
  for (let at = bytes.indexOf(wanted); at >= 0;) {
    if (--looksLeft < 0) return false;
    text = textAt(offsets, at, text, verdicts.length);
    const end = offsets[text + 1];
    const isFound = isThere(at, offsets[text], end);
    if (isFound) verdicts[text] = 1;
    at = bytes.indexOf(wanted, isFound ? end : at + 1);
  }
  return true;
}

/** A look costs a tenth of a microsecond: a word that stands in a third of all texts is left to the engine. */
const firstLooks = 100, looksShareMax = 1 / 3;

/** The text that has the byte `at`, from text `from` on. */
function textAt(offsets: Int32Array, at: number, from: number, count: number): number {
  let low = from, step = 1;
  while (low + step < count && offsets[low + step] <= at) step *= 2;
  let high = Math.min(count, low + step);
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (offsets[middle] <= at) low = middle;
    else high = middle;
  }
  return low;
}

const textEncoder = new TextEncoder();
