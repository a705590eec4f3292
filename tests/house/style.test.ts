/** What every file keeps to: it says what it is, is one idea long, and knows nothing of whose machine it came from. */
import { expect, test } from "bun:test";
import { codeFiles, isTest, textFiles } from "./sources.ts";

const linesMax = 500;
/** Tables: they grow by rows and not by ideas. */
const tables = new Set(["core/model/columns.ts", "edge/demo/flows.ts"]);

test("a file is one idea: at most 500 lines, unless it is a table", () => {
  const long = codeFiles().filter(({ path }) => !tables.has(path))
    .map(({ path, text }) => ({ path, lines: text.split("\n").length }))
    .filter(({ lines }) => lines > linesMax)
    .map(({ path, lines }) => `${path} has ${lines}`);
  expect(long).toEqual([]);
});

test("a file begins by saying what it is; a test beside its source may leave that to the source", () => {
  const silent = codeFiles().filter(({ path }) => !path.endsWith(".test.ts"))
    .filter(({ text }) => !/^(#!.*\n)?(\/\/ .*\n)*\/\*\*/.test(text))
    .map(({ path }) => path);
  expect(silent).toEqual([]);
});

test("nothing is left for later", () => {
  const mark = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"].join("|")})\\b`);
  expect(codeFiles().flatMap(({ path, text }) => linesWith(mark, path, text))).toEqual([]);
});

test("no test is run alone or left out for good", () => {
  const mark = /\b(test|describe|it)\.(only|skip|todo)\(/;
  expect(
    codeFiles().filter(({ path }) => isTest(path)).flatMap(({ path, text }) => linesWith(mark, path, text)),
  )
    .toEqual([]);
});

test("no file names a folder of its author's machine", () => {
  const mark = /(?<![\w$.}])\/(work|root|home\/\w+|Users\/\w+)\//;
  expect(textFiles().flatMap(({ path, text }) => linesWith(mark, path, text))).toEqual([]);
});

function linesWith(mark: RegExp, path: string, text: string): string[] {
  return text.split("\n").flatMap((line, index) =>
    mark.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : []
  );
}
