/** The blocks of a segment that a predicate leaves, by its index. */
import { BlockSet } from "./blocks.ts";
import type { IndexPredicate, PartPredicate } from "./predicate.ts";
import { type PartQuestion, type Question, questionOf, type TokensQuestion } from "./question.ts";
import type { Sidecar } from "./sidecar.ts";
import { type TokenKind, tokenKind, tokenOf } from "./token.ts";
import { innerRunMark, innerRunMin, startRunMark } from "./words.ts";

/** More words than this have a part in common only where the part tells little. */
const wordsMax = 2_000;

/** @throws OpenWitError `corrupt`, `io` */
export function evaluate(index: Sidecar, predicate: IndexPredicate): BlockSet {
  return answer(index, questionOf(predicate, index.header));
}

/** The same, of a question that is asked of many. @throws OpenWitError `corrupt`, `io` */
export function answer(index: Sidecar, question: Question): BlockSet {
  const { blockCount } = index.header;
  switch (question.kind) {
    case "all":
      return BlockSet.all(blockCount);
    case "none":
      return new BlockSet(blockCount);
    case "and": {
      const blocks = BlockSet.all(blockCount);
      for (const each of question.of) {
        blocks.intersect(answer(index, each));
        if (blocks.isEmpty) break;
      }
      return blocks;
    }
    case "or": {
      const blocks = new BlockSet(blockCount);
      for (const each of question.of) blocks.unite(answer(index, each));
      return blocks;
    }
    case "tokens":
      return tokenBlocks(index, question);
    case "part":
      return partBlocks(index, question);
  }
}

function tokenBlocks(index: Sidecar, { every, orAny }: TokensQuestion): BlockSet {
  let blocks: BlockSet | undefined;
  for (const token of every) {
    const found = index.find(token);
    if (found !== undefined && blocks !== undefined) found.intersect(blocks);
    blocks = found;
    if (blocks === undefined || blocks.isEmpty) break;
  }
  blocks ??= new BlockSet(index.header.blockCount);
  for (const token of orAny) unite(blocks, index.find(token));
  return blocks;
}

/**
 * A word without digits is listed, so it is found by the part. In a word with digits the part's own digits are not
 * to be found, but its runs of letters are.
 */
function partBlocks(index: Sidecar, { part, opaque }: PartQuestion): BlockSet {
  const blocks = /[0-9]/.test(part.text) ? runsOfPart(index, part) : lettersOfPart(index, part);
  if (blocks === undefined) return BlockSet.all(index.header.blockCount);
  unite(blocks, index.find(opaque));
  return blocks;
}

/** Letters alone: words that are listed, and runs of letters in words with digits. */
function lettersOfPart(index: Sidecar, { text, atStart, atEnd }: PartPredicate): BlockSet | undefined {
  const isShort = [...text].length < innerRunMin;
  if (isHex(text) && (isShort || !atStart)) return undefined;
  if (atStart) {
    const words = index.wordsWith(text, true, wordsMax);
    const runs = index.wordsWith(startRunMark + text, true, wordsMax);
    return words && runs && union(index, [...words, ...runs]);
  }
  if (isShort) return undefined;
  const words = index.wordsWith(text, false, wordsMax);
  return words && union(index, atEnd ? words.filter((word) => word.endsWith(text)) : words);
}

/** A part with digits stands in a word with digits: each of its runs of letters must be one of that word's. */
function runsOfPart(index: Sidecar, { text, atStart, atEnd }: PartPredicate): BlockSet | undefined {
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
      for (const kind of kinds) unite(found, lookUp(index, kind, run));
      narrow(found);
      continue;
    }
    const listed = index.wordsWith(run, false, wordsMax);
    const runs = listed?.filter((each) =>
      (each.startsWith(startRunMark) || each.startsWith(innerRunMark)) &&
      (isWholeLeft ? each.slice(1).startsWith(run) : isWholeRight ? each.endsWith(run) : true)
    );
    narrow(runs && union(index, runs));
  }
  return blocks;
}

/** Whether the part may stand in a word of hex digits alone. */
function isHex(text: string): boolean {
  return /^[0-9a-f]+$/.test(text);
}

/** Blocks of any of these words and marked runs. */
function union(index: Sidecar, listed: readonly string[]): BlockSet {
  const blocks = new BlockSet(index.header.blockCount);
  for (const text of listed) {
    const kind = text.startsWith(startRunMark)
      ? tokenKind.startRun
      : text.startsWith(innerRunMark)
      ? tokenKind.innerRun
      : tokenKind.word;
    unite(blocks, lookUp(index, kind, kind === tokenKind.word ? text : text.slice(1)));
  }
  return blocks;
}

function lookUp(index: Sidecar, kind: TokenKind, text: string): BlockSet | undefined {
  return index.find(tokenOf(kind, text));
}

function unite(blocks: BlockSet, more: BlockSet | undefined): void {
  if (more !== undefined) blocks.unite(more);
}
