import { expect, test } from "bun:test";
import { type Piece, slicesOf, type UnopenedFile } from "./newest.ts";

/** A file of blocks of 8,192 rows, block n of the times from, from + 10, …; opening it is noted. */
function fileOf(file: number, from: bigint, blocks: number, opened: number[]): UnopenedFile {
  const pieces: Piece[] = Array.from({ length: blocks }, (_, block) => ({
    file,
    block,
    rows: 8_192,
    minNs: from + BigInt(block) * 10n,
    maxNs: from + BigInt(block) * 10n + 9n,
  }));
  return {
    minNs: from,
    maxNs: pieces.at(-1)!.maxNs,
    open() {
      opened.push(file);
      return Promise.resolve(pieces);
    },
  };
}

async function all(files: readonly UnopenedFile[], isDescending: boolean, range = {}) {
  const slices = [];
  for await (const slice of slicesOf(files, isDescending, range)) {
    slices.push({ ...slice, pieces: slice.pieces.map(({ file, block }) => `${file}.${block}`) });
  }
  return slices;
}

test("the newest blocks come first, and a file is opened when its time has come", async () => {
  const opened: number[] = [];
  const slices = slicesOf([fileOf(0, 0n, 4, opened), fileOf(1, 100n, 6, opened)], true, {});
  const { value } = await slices.next();
  expect(value).toMatchObject({ window: { minNs: 120n }, isLast: false });
  expect(value!.pieces.map(({ file, block }) => [file, block])).toEqual([[1, 5], [1, 4], [1, 3], [1, 2]]);
  expect(opened).toEqual([1]);
  const second = await slices.next();
  expect(second.value).toMatchObject({ window: { maxNs: 119n }, isLast: true });
  expect(opened).toEqual([1, 0]);
});

test("a block that reaches into the next slice is read there too, and no time is in two slices", async () => {
  const wide: UnopenedFile = {
    minNs: 0n,
    maxNs: 160n,
    open: () => Promise.resolve([{ file: 2, rows: 3_000, minNs: 0n, maxNs: 160n }]),
  };
  const slices = await all([fileOf(0, 0n, 4, []), fileOf(1, 100n, 6, []), wide], true);
  expect(slices.map(({ window }) => window)).toEqual([{ minNs: 120n }, { maxNs: 119n }]);
  expect(slices[0].pieces).toContain("2.undefined");
  expect(slices[1].pieces).toContain("2.undefined");
});

test("oldest first is the mirror of newest first", async () => {
  const slices = await all([fileOf(0, 0n, 6, []), fileOf(1, 100n, 4, [])], false);
  expect(slices.map(({ window }) => window)).toEqual([{ maxNs: 39n }, { minNs: 40n }]);
  expect(slices[0].pieces).toEqual(["0.0", "0.1", "0.2", "0.3"]);
});

test("blocks outside of the range are left out, and without any there is one empty slice", async () => {
  const files = () => [fileOf(0, 0n, 4, [])];
  expect((await all(files(), true, { minNs: 25n }))[0].pieces).toEqual(["0.3", "0.2"]);
  expect(await all(files(), true, { minNs: 500n })).toEqual([{ window: {}, pieces: [], isLast: true }]);
});

test("blocks of one and the same time are in one slice", async () => {
  const same: UnopenedFile = {
    minNs: 5n,
    maxNs: 5n,
    open: () =>
      Promise.resolve(
        Array.from({ length: 9 }, (_, block) => ({ file: 0, block, rows: 8_192, minNs: 5n, maxNs: 5n })),
      ),
  };
  const slices = await all([same], true);
  expect(slices.at(-1)).toMatchObject({ isLast: true });
  expect(slices.at(-1)!.pieces).toHaveLength(9);
});
