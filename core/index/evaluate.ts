/** The blocks of a segment that a predicate leaves, by its index. */
import { BlockSet } from "./blocks.ts";
import { isIndexedField, jsonColumnOf } from "./fields.ts";
import {
  type EqualPredicate,
  type IndexPredicate,
  type PartPredicate,
  type WordPredicate,
} from "./predicate.ts";
import type { Sidecar } from "./sidecar.ts";
import { keyOfText, type TokenKind, tokenKind, valueText } from "./token.ts";
import { isIndexedWord, strongTokens } from "./strong.ts";
import { innerRunMark, innerRunMin, startRunMark } from "./words.ts";

/** More words than this have a part in common only where the part tells little. */
const wordsMax = 2_000;

/** @throws OpenWitError `corrupt`, `io` */
export async function evaluate(index: Sidecar, predicate: IndexPredicate): Promise<BlockSet> {
  switch (predicate.kind) {
    case "all":
      return BlockSet.all(index.header.blockCount);
    case "none":
      return new BlockSet(index.header.blockCount);
    case "and": {
      const blocks = BlockSet.all(index.header.blockCount);
      // Parts last: they may have to look through the dictionary, and nothing may be left by then.
      const ordered = predicate.of.toSorted((left, right) => cost(left) - cost(right));
      for (const each of ordered) {
        blocks.intersect(await evaluate(index, each));
        if (blocks.isEmpty) break;
      }
      return blocks;
    }
    case "or": {
      const blocks = new BlockSet(index.header.blockCount);
      for (const each of predicate.of) blocks.unite(await evaluate(index, each));
      return blocks;
    }
    case "equal":
      return await valueBlocks(index, predicate);
    case "word":
      return await wordBlocks(index, predicate);
    case "part":
      return await partBlocks(index, predicate);
  }
}

function cost(predicate: IndexPredicate): number {
  if (predicate.kind === "part") return 2;
  return predicate.kind === "and" || predicate.kind === "or" ? Math.max(1, ...predicate.of.map(cost)) : 0;
}

async function valueBlocks(index: Sidecar, predicate: EqualPredicate): Promise<BlockSet> {
  const { field } = predicate;
  const { signal, blockCount } = index.header;
  if (!isIndexedField(signal, field)) return BlockSet.all(blockCount);
  const blocks = BlockSet.all(blockCount);
  for (const { kind, text } of tokensOf(predicate)) blocks.intersect(await lookUp(index, kind, text));
  const column = jsonColumnOf(field);
  if (column === undefined) return blocks;
  // A value that only JSON can tell may be this one.
  for (const each of [field, column]) blocks.unite(await lookUp(index, tokenKind.opaqueValue, each));
  return blocks;
}

type Token = { readonly kind: TokenKind; readonly text: string };

/** The same predicate is asked of hundreds of segments. */
const knownTokens = new WeakMap<EqualPredicate, readonly Token[]>();

/** What stands for a value in an index. */
function tokensOf(predicate: EqualPredicate): readonly Token[] {
  let tokens = knownTokens.get(predicate);
  if (tokens === undefined) {
    const { field, value } = predicate;
    tokens = strongTokens(value) ?? [{ kind: tokenKind.value, text: valueText(field, value) }];
    knownTokens.set(predicate, tokens);
  }
  return tokens;
}

async function wordBlocks(index: Sidecar, { word }: WordPredicate): Promise<BlockSet> {
  if (!isIndexedWord(word)) return BlockSet.all(index.header.blockCount);
  return await lookUp(index, word.includes(".") ? tokenKind.quad : tokenKind.word, word);
}

/**
 * A word without digits is listed, so it is found by the part. In a word with digits the part's own digits are not
 * to be found, but its runs of letters are.
 */
async function partBlocks(
  index: Sidecar,
  { column, text, atStart, atEnd }: PartPredicate,
): Promise<BlockSet> {
  const { blockCount } = index.header;
  if (atStart && atEnd) return await wordBlocks(index, { kind: "word", column, word: text });
  const opaque = await lookUp(index, tokenKind.opaqueWord, "");
  const blocks = /[0-9]/.test(text)
    ? await runsOfPart(index, text, atStart, atEnd)
    : await lettersOfPart(index, text, atStart, atEnd);
  if (blocks === undefined) return BlockSet.all(blockCount);
  blocks.unite(opaque);
  return blocks;
}

/** Letters alone: words that are listed, and runs of letters in words with digits. */
async function lettersOfPart(
  index: Sidecar,
  text: string,
  atStart: boolean,
  atEnd: boolean,
): Promise<BlockSet | undefined> {
  const isShort = [...text].length < innerRunMin;
  if (isHex(text) && (isShort || !atStart)) return undefined;
  if (atStart) {
    const words = await index.wordsWith(text, true, wordsMax);
    const runs = await index.wordsWith(startRunMark + text, true, wordsMax);
    return words && runs && await union(index, [...words, ...runs]);
  }
  if (isShort) return undefined;
  const words = await index.wordsWith(text, false, wordsMax);
  return words && await union(index, atEnd ? words.filter((word) => word.endsWith(text)) : words);
}

/** A part with digits stands in a word with digits: each of its runs of letters must be one of that word's. */
async function runsOfPart(
  index: Sidecar,
  text: string,
  atStart: boolean,
  atEnd: boolean,
): Promise<BlockSet | undefined> {
  // In a word of hex digits only a run at the start is listed.
  if (isHex(text) && !(atStart && /^[a-f]{3,}[0-9]/.test(text))) return undefined;
  let blocks: BlockSet | undefined;
  const narrow = (more: BlockSet | undefined) => {
    if (more === undefined) return;
    if (blocks === undefined) blocks = more;
    else blocks.intersect(more);
  };
  for (const { 0: run, index: at } of text.matchAll(/[^0-9]+/g)) {
    const isWholeLeft = at > 0 || atStart, isWholeRight = at + run.length < text.length || atEnd;
    const isAtWordStart = at === 0 && atStart;
    if (!isAtWordStart && ([...run].length < innerRunMin || isHex(text))) continue;
    if (isWholeLeft && isWholeRight) {
      const kinds = isAtWordStart
        ? [tokenKind.startRun]
        : at > 0
        ? [tokenKind.innerRun]
        : [tokenKind.startRun, tokenKind.innerRun];
      const found = new BlockSet(index.header.blockCount);
      for (const kind of kinds) found.unite(await lookUp(index, kind, run));
      narrow(found);
      continue;
    }
    const listed = await index.wordsWith(run, false, wordsMax);
    const runs = listed?.filter((each) =>
      (each.startsWith(startRunMark) || each.startsWith(innerRunMark)) &&
      (isWholeLeft ? each.slice(1).startsWith(run) : isWholeRight ? each.endsWith(run) : true)
    );
    narrow(runs && await union(index, runs));
  }
  return blocks;
}

/** Whether the part may stand in a word of hex digits alone. */
function isHex(text: string): boolean {
  return /^[0-9a-f]+$/.test(text);
}

/** Blocks of any of these words and marked runs. */
async function union(index: Sidecar, listed: readonly string[]): Promise<BlockSet> {
  const blocks = new BlockSet(index.header.blockCount);
  for (const text of listed) {
    const kind = text.startsWith(startRunMark)
      ? tokenKind.startRun
      : text.startsWith(innerRunMark)
      ? tokenKind.innerRun
      : tokenKind.word;
    blocks.unite(await lookUp(index, kind, kind === tokenKind.word ? text : text.slice(1)));
  }
  return blocks;
}

async function lookUp(index: Sidecar, kind: TokenKind, text: string): Promise<BlockSet> {
  return await index.blocksOf(keyOfText(kind, text, index.header.seed));
}
