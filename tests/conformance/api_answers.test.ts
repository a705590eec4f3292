/** Histograms, traces, fields and their values over HTTP. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ApiFixture, logsOf, openApi, spansOf } from "./api_fixture.ts";

/** On a whole minute, some minutes ago. */
const startMs = Math.floor(Date.now() / 60_000) * 60_000 - 20 * 60_000;
const startNs = BigInt(startMs) * 1_000_000n;
const second = 1_000_000_000n, millisecond = 1_000_000n;
const iso = (ms: number) => new Date(ms).toISOString();
const range = `since=${iso(startMs)}&until=${iso(startMs + 600_000)}`;

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
let api: ApiFixture;

beforeAll(async () => {
  api = await openApi();
  // One record a second in the minutes 0, 1 and 3; minute 2 is empty.
  const records = Array.from({ length: 180 }, (_, at) => ({
    timeNs: startNs + BigInt(at < 120 ? at : at + 60) * second,
    body: at % 2 === 0 ? "payment refused" : "payment captured",
    severity: at % 10 === 0 ? 17 : 9,
    attributes: {
      "http.route": ["/cart", "/orders", "/login"][at % 6 === 0 ? 2 : at % 2],
      ...(at % 4 === 0 ? { attempt: at % 3 } : {}),
    },
  }));
  await api.ingest(
    "logs",
    logsOf({ "service.name": "payment", "k8s.pod.name": "p-1" }, records.slice(0, 100)),
  );
  await api.store.flush();
  await api.ingest("logs", logsOf({ "service.name": "checkout" }, records.slice(100)));
  await api.ingest(
    "logs",
    logsOf({ "service.name": "payment" }, [
      { timeNs: startNs + second, body: "charged", traceId, spanId: "00000000000000b1" },
    ]),
    "traced",
  );
  await api.ingest(
    "spans",
    spansOf({ "service.name": "frontend" }, traceId, [
      { id: "00000000000000a1", name: "GET /", startNs, durationNs: 100n * millisecond },
    ]),
    "traced",
  );
  await api.store.flush();
  await api.ingest(
    "spans",
    spansOf({ "service.name": "payment" }, traceId, [
      {
        id: "00000000000000b2",
        parent: "00000000000000b1",
        name: "SELECT",
        startNs: startNs + 30n * millisecond,
        durationNs: 5n * millisecond,
      },
      {
        id: "00000000000000b1",
        parent: "00000000000000a1",
        name: "charge",
        startNs: startNs + 20n * millisecond,
        durationNs: 60n * millisecond,
        isError: true,
      },
      {
        id: "00000000000000c1",
        parent: "00000000000000ff",
        name: "lost",
        startNs: startNs + 90n * millisecond,
        durationNs: 1n,
      },
    ]),
    "traced",
  );
}, 60_000);
afterAll(() => api[Symbol.asyncDispose]());

test("a histogram counts each record once, and an empty bucket is there with 0", async () => {
  const hits = await api.get(`/api/v1/logs/hits?${range}&step=1m`);
  expect(hits).toMatchObject({ status: 200, total: 180, step_seconds: 60, by: "severity", partial: false });
  expect(hits.times.length).toBe(10);
  expect(hits.times[0]).toBe(iso(startMs).replace("Z", "000000Z"));
  expect(hits.groups).toEqual([
    { value: "error", rest: false, total: 18, counts: [6, 6, 0, 6, 0, 0, 0, 0, 0, 0] },
    { value: "info", rest: false, total: 162, counts: [54, 54, 0, 54, 0, 0, 0, 0, 0, 0] },
  ]);
});

test("a histogram by a field has the most frequent values, and one group for the rest", async () => {
  const hits = await api.get(`/api/v1/logs/hits?${range}&step=5m&by=http.route&groups=2`);
  expect(hits.groups.map(({ value, rest, total }: Record<string, unknown>) => [value, rest, total])).toEqual([
    ["/orders", false, 90],
    ["/cart", false, 60],
    [null, true, 30],
  ]);
  const none = await api.get(`/api/v1/logs/hits?${range}&step=5m&by=none&query=refused&service=checkout`);
  expect([none.total, none.groups.length]).toEqual([40, 1]);
});

test("a step is chosen that people can read, for no more buckets than asked", async () => {
  for (const buckets of [1, 7, 30, 600]) {
    const { times, step_seconds } = await api.get(`/api/v1/logs/hits?${range}&buckets=${buckets}`);
    expect(times.length).toBeLessThanOrEqual(buckets + 1); // the range may begin within a bucket
    expect([600, 120, 30, 1]).toContain(step_seconds);
  }
});

test.each([
  ["step=1ms", "2000"],
  ["buckets=0", "buckets"],
  [`since=${iso(startMs)}&until=${iso(startMs - 1)}`, "not before"],
  ["stpe=1m", "step"],
])("/hits?%s is refused: %s", async (search, word) => {
  const { status, error } = await api.get(`/api/v1/logs/hits?${search}`);
  expect([status, `${error.message} ${error.hint}`]).toEqual([400, expect.stringContaining(word)]);
});

test("a trace is whole, in the order of its tree, with orphans and errors told", async () => {
  const trace = await api.get(`/api/v1/traces/${traceId.toUpperCase()}?logs=true`, {
    "X-Scope-OrgID": "traced",
  });
  expect(trace).toMatchObject({
    status: 200,
    trace_id: traceId,
    duration_ns: "100000000",
    services: ["frontend", "payment"],
    errors: 1,
    partial: false,
  });
  expect(trace.spans.map((span: Record<string, unknown>) => [span.name, span.depth, span.orphan])).toEqual([
    ["GET /", 0, false],
    ["charge", 1, false],
    ["SELECT", 2, false],
    ["lost", 0, true],
  ]);
  expect(trace.logs.map(({ body }: { body: string }) => body)).toEqual(["charged"]);
  const lines = await api.app.request(`/api/v1/traces/${traceId}`, {
    headers: { "X-Scope-OrgID": "traced", Accept: "application/x-ndjson" },
  });
  expect((await lines.text()).trim().split("\n").map((line) => JSON.parse(line))).toEqual(trace.spans);
});

test("a trace that is not there, or of another tenant, is 404; what is no id is 400", async () => {
  expect(await api.get(`/api/v1/traces/${traceId}`)).toMatchObject({
    status: 404,
    error: { code: "not_found", message: expect.stringContaining("default") },
  });
  for (const id of ["nonsense", "0".repeat(32), traceId.slice(1)]) {
    expect(await api.get(`/api/v1/traces/${id}`)).toMatchObject({
      status: 400,
      error: { code: "invalid_argument" },
    });
  }
});

test("fields are named with how many records have them, and of which types", async () => {
  const answer = await api.get(`/api/v1/fields?${range}`);
  expect(answer).toMatchObject({ status: 200, signal: "logs", rows: 180, partial: false });
  const fields = Object.fromEntries(answer.fields.map((each: { name: string }) => [each.name, each]));
  expect(fields["attributes.http.route"]).toEqual({
    name: "attributes.http.route",
    kind: "attributes",
    types: ["string"],
    rows: 180,
  });
  expect(fields["attributes.attempt"]).toMatchObject({ types: ["int"], rows: 45 });
  expect(fields["resource_attributes.k8s.pod.name"]).toMatchObject({
    kind: "resource_attributes",
    rows: 100,
  });
  expect(fields.body).toMatchObject({ kind: "column", types: ["VARCHAR"], rows: 180 });
  expect(fields.trace_id).toBeUndefined();
  const refused = await api.get(`/api/v1/fields?${range}&query=refused&prefix=ATTRIBUTES.`);
  expect(refused.fields.map(({ name, rows }: Record<string, unknown>) => [name, rows])).toEqual([
    ["attributes.http.route", 90],
    ["attributes.attempt", 45],
  ]);
});

test("values of a column and of an attribute, the most frequent first", async () => {
  const values = async (path: string) =>
    (await api.get(`/api/v1/fields/${path}`)).values.map((
      each: Record<string, unknown>,
    ) => [each.value, each.rows]);
  expect(await values(`service/values?${range}`)).toEqual([["payment", 100], ["checkout", 80]]);
  expect(await values(`http.route/values?${range}&prefix=/LO`)).toEqual([["/login", 30]]);
  expect(await values(`attributes.attempt/values?${range}`)).toEqual([["0", 15], ["1", 15], ["2", 15]]);
  expect(await values(`severity_number/values?${range}`)).toEqual([["9", 162], ["17", 18]]);
  expect(await values(`no.such.key/values?${range}`)).toEqual([]);
  expect(await api.get(`/api/v1/fields/http.route/values?${range}&limit=2`)).toMatchObject({ more: true });
  expect(await api.get(`/api/v1/fields/http.route/values?${range}&limit=3`)).toMatchObject({ more: false });
  const spans = await api.get("/api/v1/fields/name/values?signal=traces", { "X-Scope-OrgID": "traced" });
  expect(spans.values.length).toBe(4);
});

test("a key with signs of SQL in it is a key and nothing else", async () => {
  for (const key of ["it's", 'quo"te', "a.b', 'c", "x\\", "é/ü", "$1"]) {
    const { status, values } = await api.get(`/api/v1/fields/${encodeURIComponent(key)}/values?${range}`);
    expect([key, status, values]).toEqual([key, 200, []]);
    const found = await api.post("/api/v1/logs/search", { field: `${key}=it's` });
    expect([key, found.status, found.records]).toEqual([key, 200, []]);
  }
});

test("what is wrong is named: a signal, a method, a type of answer", async () => {
  expect(await api.get("/api/v1/fields?signal=log")).toMatchObject({
    status: 400,
    error: { hint: "did you mean logs?" },
  });
  expect(await api.get(`/api/v1/logs/hits`, { Accept: "text/csv" })).toMatchObject({ status: 400 });
  const form = await api.app.request("/api/v1/logs/search", { method: "POST", body: "query=x" });
  expect(form.status).toBe(415);
});

test("a client that has gone is asked for nothing more", async () => {
  const gone = AbortSignal.abort();
  for (const path of ["logs/search", "logs/hits", "fields", "fields/body/values", `traces/${traceId}`]) {
    const response = await api.app.request(`/api/v1/${path}`, { signal: gone });
    expect([path, response.status, (await response.json()).error.code]).toEqual([path, 499, "cancelled"]);
  }
});

test("a live tail is for its tenant, and for so many readers at once", async () => {
  const open = (tenant: string) =>
    api.app.request("/api/v1/logs/tail", { headers: { "X-Scope-OrgID": tenant } });
  const tails = await Promise.all(
    Array.from({ length: 32 }, (_, at) => open(at === 0 ? "here" : "elsewhere")),
  );
  expect(tails.map(({ status }) => status)).toEqual(Array(32).fill(200));
  expect(await api.get("/api/v1/tail?signal=spans")).toMatchObject({
    status: 429,
    error: { retryable: true },
  });
  const readers = tails.map(({ body }) => body!.getReader());
  for (const reader of readers) await reader.read(); // ": tailing"
  await api.ingest("logs", logsOf({ "service.name": "x" }, [{ timeNs: startNs, body: "for one" }]), "here");
  expect(new TextDecoder().decode((await readers[0].read()).value)).toContain("for one");
  await Promise.all(readers.map((reader) => reader.cancel()));
  const again = await open("here");
  expect(again.status).toBe(200);
  await again.body!.cancel();
});

test("a segment that cannot be read makes the answers partial that it belongs to, and says so", async () => {
  const id =
    [...api.store.manifest.state.segments.values()].find(({ tenant, signal }) =>
      tenant === "default" && signal === "logs"
    )!.id;
  const damaged = api.store.damaged as Map<string, string>;
  damaged.set(id, "its end is missing");
  try {
    for (
      const path of [
        `logs/hits?${range}`,
        `logs/search?${range}`,
        `fields?${range}`,
        `fields/body/values?${range}`,
      ]
    ) {
      const answer = await api.get(`/api/v1/${path}`);
      expect(answer).toMatchObject({
        status: 200,
        partial: true,
        coverage: { missing: [{ segment: id, rows: 100 }] },
      });
      expect(answer.headers.get("X-OpenWit-Partial")).toContain("its end is missing");
    }
    const before = await api.get("/api/v1/logs/search?until=2020-01-01");
    expect(before).toMatchObject({ partial: false, coverage: { missing: [] } });
    expect(await api.get("/api/v1/spans/search")).toMatchObject({ partial: false });
  } finally {
    damaged.delete(id);
  }
});
