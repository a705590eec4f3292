import { expect, test } from "bun:test";
import { LookUpPace } from "./pace.ts";

test("quick look-ups are asked for by the hundred, slow ones a few at a time", () => {
  const pace = new LookUpPace(16);
  const counts = [0.2, 1, 2, 3, 10, 30, 90, 300, 9_000, 15, 2].map((ms) => {
    pace.took(ms);
    return pace.count;
  });
  expect(counts).toEqual([64, 256, 512, 512, 512, 128, 32, 8, 4, 4, 16]);
});
