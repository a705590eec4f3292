import { expect, test } from "bun:test";
import { processor, processorStatus } from "./processor.ts";

test("x86 lists its flags, of which those that matter are told", () => {
  const cpuinfo =
    "processor\t: 0\nmodel name\t: Atom\nflags\t\t: fpu sse4_1 sse4_2 aes\nprocessor\t: 1\nflags\t\t: avx2\n";
  expect(processor(cpuinfo, "Atom", "x64")).toEqual({
    architecture: "x64",
    model: "Atom",
    features: ["sse4_2"],
  });
});

test("arm calls them features, and may have no name for its model", () => {
  const cpuinfo = "processor\t: 0\nFeatures\t: fp asimd evtstrm crc32 sha2\n";
  expect(processor(cpuinfo, "unknown", "arm64")).toMatchObject({
    model: "",
    features: ["asimd", "crc32", "sha2"],
  });
});

test("what is not of this architecture is no feature of it", () => {
  expect(processor("flags : sse4_2 avx2\n", "EPYC", "arm64").features).toEqual([]);
});

test("the page size is the kernel's", async () => {
  const { page_size: pages } = await processorStatus();
  const getconf = Bun.spawnSync(["getconf", "PAGESIZE"]);
  expect(String(pages)).toBe(getconf.stdout.toString().trim());
});
