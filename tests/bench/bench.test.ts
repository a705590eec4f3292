import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { expect, test } from "bun:test";
import { prepareLoad } from "./load.ts";
import { percentile } from "./machine.ts";
import { sumOfMetric } from "./server.ts";

test("a percentile is the nearest rank", () => {
  const values = [5, 1, 4, 2, 3];
  expect([0, 0.5, 0.9, 1].map((share) => percentile(values, share))).toEqual([1, 3, 5, 5]);
  expect(percentile([], 0.5)).toBeNaN();
});

test("a metric's samples are summed over its labels, and no other metric's", () => {
  const text = '# HELP a_rows x\na_rows{signal="logs"} 3\na_rows{signal="spans"} 4\na_rows_total 9\nb 1.5\n';
  expect(sumOfMetric(text, "a_rows")).toBe(7);
  expect(sumOfMetric(text, "b")).toBe(1.5);
  expect(sumOfMetric(text, "c")).toBe(0);
});

test(
  "the load keeps its rate, counts every acknowledgement and measures from when a request was due",
  async () => {
    const server = createServer();
    server.on("stream", (stream: ServerHttp2Stream) => {
      stream.on("error", () => {});
      stream.resume().on("end", () => {
        stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
        stream.end(new Uint8Array(5));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const load = await prepareLoad({
        endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        protocol: "grpc",
        compression: "gzip",
        signal: "logs",
        records: 5_000,
        batchRecords: 100,
        concurrency: 4,
        connections: 1,
        seed: 1,
        rate: 5_000,
      });
      const report = await load.run();
      expect(report.records).toBeGreaterThanOrEqual(5_000);
      expect(report.latenciesMs.length).toBe(report.requests);
      expect(report.failures).toBe(0);
      expect(report.wireBytes).toBeLessThan(report.bytes);
      expect(report.wallSeconds).toBeGreaterThan(0.9);
    } finally {
      server.close();
    }
  },
  20_000,
);
