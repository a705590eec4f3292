import { expect, test } from "bun:test";
import { decodeTarHeader, tarBlockBytes, tarPaddingBytes } from "../../core/archive/tar.ts";
import { OpenWitError } from "../../core/error.ts";
import { Redactor } from "../log/redact.ts";
import { type BundleFile, bundleStream } from "./bundle.ts";

const nowMs = Date.UTC(2026, 10, 26, 1, 2, 3);

/** Of the files and their README, by path. */
async function unpack(files: readonly BundleFile[], redactor = new Redactor()): Promise<Map<string, string>> {
  const packed = await new Response(bundleStream({ files, redactor }, nowMs)).bytes();
  const tar = Bun.gunzipSync(packed);
  const found = new Map<string, string>();
  for (let at = 0;;) {
    const entry = decodeTarHeader(tar.subarray(at, at + tarBlockBytes));
    if (entry === undefined) return found;
    const bytes = tar.subarray(at + tarBlockBytes, at + tarBlockBytes + entry.bytes);
    found.set(entry.name, new TextDecoder().decode(bytes));
    at += tarBlockBytes + entry.bytes + tarPaddingBytes(entry.bytes);
  }
}

const folder = "openwit-support-20261126-010203";

test("files are text as it is or JSON, in a folder of their own, and the README names each with its reason", async () => {
  const files = await unpack([
    { name: "a.txt", why: "For the letter.", gather: () => "one\n" },
    { name: "b.json", why: "For the number.", gather: () => Promise.resolve({ n: 12n, list: [1, "x"] }) },
  ]);
  expect([...files.keys()]).toEqual([`${folder}/README.txt`, `${folder}/a.txt`, `${folder}/b.json`]);
  expect(files.get(`${folder}/a.txt`)).toBe("one\n");
  expect(JSON.parse(files.get(`${folder}/b.json`)!)).toEqual({ n: "12", list: [1, "x"] });
  expect(files.get(`${folder}/README.txt`)).toMatch(/a\.txt +For the letter\.\nb\.json +For the number\./);
});

test("what cannot be gathered says why in its own file, and the others are there", async () => {
  const files = await unpack([
    {
      name: "broken.json",
      why: "",
      gather: () => Promise.reject(new OpenWitError("io", "the disk does not answer")),
    },
    {
      name: "worse.json",
      why: "",
      gather: () => {
        throw new TypeError("undefined is not a function");
      },
    },
    { name: "whole.txt", why: "", gather: () => "here" },
  ]);
  expect(files.get(`${folder}/broken.json`)).toContain("io: the disk does not answer");
  expect(files.get(`${folder}/worse.json`)).toContain("could not be gathered");
  expect(files.get(`${folder}/whole.txt`)).toBe("here");
});

test("nothing passes but through the redactor: texts, values by their names, and messages of failures", async () => {
  const redactor = new Redactor();
  redactor.hide("hunter2hunter2");
  const files = await unpack([
    { name: "text.txt", why: "", gather: () => "the door is hunter2hunter2\n" },
    { name: "value.json", why: "", gather: () => ({ password: "other", note: ["hunter2hunter2"] }) },
    { name: "failure.txt", why: "", gather: () => Promise.reject(new Error("no hunter2hunter2")) },
  ], redactor);
  for (const text of files.values()) {
    expect(text).not.toContain("hunter2");
    expect(text).not.toContain("other");
  }
});

test("a file that is very long is cut off, and says so", async () => {
  const [, text] = [...await unpack([{ name: "long.txt", why: "", gather: () => "x".repeat(5_000_000) }])][1];
  expect(text).toHaveLength(4 * 1024 * 1024 - 2); // "…" has three bytes
  expect(text).toEndWith("cut off: it has 5000000 bytes\n");
});
