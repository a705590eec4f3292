import { expect, test } from "bun:test";
import { askedThread } from "./asked-thread.ts";

interface Question {
  readonly ask?: number;
  readonly text: string;
}

interface Answer {
  readonly ask: number;
  readonly text: string;
}

/** Answers with its folder and the text; "die" is a fault, "silence" has no answer. */
const program = `
  let folder;
  onmessage = ({ data }) => {
    if (typeof data === "string") folder = data;
    else if (data.text === "die") throw new Error("a fault");
    else if (data.text !== "silence" && data.ask !== undefined) postMessage({ ask: data.ask, text: folder + data.text });
  };`;

function thread() {
  const died: string[] = [], answered: string[] = [];
  let opened = 0, ended = 0;
  const made = askedThread<Question, Answer>({
    dataDir: "/data ",
    open() {
      opened++;
      return new Worker(URL.createObjectURL(new Blob([program])));
    },
    onAnswer: ({ text }) => answered.push(text),
    onDied: (message) => died.push(message),
    onEnd: () => ended++,
  });
  const ask = async (text: string) => (await made.ask((ask) => ({ ask, text })))?.text;
  return { made, ask, died, answered, counts: () => ({ opened, ended }) };
}

test("each question has its own answer, and the thread is started once", async () => {
  const { made, ask, answered, counts } = thread();
  made.tell({ text: "before it runs" });
  expect(await Promise.all(["a", "b", "c"].map(ask))).toEqual(["/data a", "/data b", "/data c"]);
  expect(answered).toEqual(["/data a", "/data b", "/data c"]);
  expect([made.waiting, counts()]).toEqual([0, { opened: 1, ended: 0 }]);
  made.close();
});

test("when it dies what waits has no answer, and the next question starts another", async () => {
  const { made, ask, died, counts } = thread();
  expect(await ask("a")).toBe("/data a");
  expect(await Promise.all([ask("silence"), ask("die")])).toEqual([undefined, undefined]);
  expect(died).toEqual([expect.stringContaining("a fault")]);
  expect(await ask("b")).toBe("/data b");
  expect(counts()).toEqual({ opened: 2, ended: 1 });
  made.close();
});

test("when it is closed what waits has no answer", async () => {
  const { made, ask } = thread();
  const asked = ask("silence");
  expect(made.waiting).toBe(1);
  made.close();
  expect([await asked, made.waiting]).toEqual([undefined, 0]);
});
