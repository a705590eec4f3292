import { afterAll, beforeAll, expect, test } from "bun:test";
import { rowOf } from "../../core/model/row.ts";
import { parseFieldValue, type RecordFilter } from "../../core/search/filter.ts";
import { rowTest } from "../../core/search/live.ts";
import { parseSeverity } from "../../core/search/severity.ts";
import { type ApiFixture, type LogRecord, logsOf, openApi } from "./api_fixture.ts";

/** Ten minutes before now, on a whole second. */
const startNs = (BigInt(Date.now()) / 1_000n * 1_000n - 600_000n) * 1_000_000n;
const second = 1_000_000_000n;
const pod1 = { "service.name": "checkout", "k8s.pod.name": "checkout-1" };
const pod2 = { "service.name": "checkout", "k8s.pod.name": "checkout-2" };
const cart = { "service.name": "cart", "k8s.pod.name": "cart-1" };

let api: ApiFixture;
const filters: Record<string, string | string[]>[] = [
  {},
  { query: "refused" },
  { query: "connection refused" },
  { query: '"connection refused"' },
  { query: '"refused connection"' },
  { query: "CONN* -timeout" },
  { query: "refused OR timeout" },
  { query: "order_id" },
  { query: "/api/v1/orders" },
  { query: "10.0.0.7" },
  { query: "strasse OR straße" },
  { query: "http.route:/cart" },
  { query: "service:cart level:error" },
  { query: "k8s.pod.name:checkout-*" },
  { query: "NOT (service:checkout OR refused)" },
  { grep: "onnection ref" },
  { grep: "Refused" },
  { service: "cart" },
  { service: ["cart", "checkout"] },
  { severity: "warn" },
  { severity: "=warn" },
  { severity: "17" },
  { severity: "=17" },
  { field: "http.route=/cart" },
  { field: ["http.route=/cart", "retry=true"] },
  { field: "status=503" },
  { field: "ratio=0.5" },
  { field: "resource_attributes.k8s.pod.name=checkout-2" },
  { field: "attributes.k8s.pod.name=checkout-2" },
  { field: "severity_number=13" },
  { field: "service=cart" },
  { query: "connection", severity: "error", service: "checkout", field: "http.route=/cart" },
];

const live = filters.map(() => 0);
/** Every row as a tail sends it. */
const sent: string[] = [];

beforeAll(async () => {
  api = await openApi();
  const tests = filters.map((each) => rowTest("logs", filterFrom(each)));
  api.store.subscribe("default", "logs", (chunk, from, end) => {
    for (let row = from; row < end; row++) {
      sent.push(JSON.stringify(rowOf(chunk, row)));
      for (const [at, passes] of tests.entries()) if (passes(chunk, row)) live[at]++;
    }
  });
  const bodies = [
    "connection refused by 10.0.0.7",
    "Connection: REFUSED",
    "refused a connection, order_id=12 timeout",
    "timeout at /api/v1/orders/7",
    "in der Straße nebenan",
    "conn pool of the cart is full",
    "user_order_id reconnection",
  ];
  const records = (offset: number): LogRecord[] =>
    Array.from({ length: 60 }, (_, at) => ({
      timeNs: startNs + BigInt(offset + at) * second,
      body: bodies[at % bodies.length],
      severity: [9, 13, 17, 21, 5][at % 5],
      attributes: {
        ...(at % 3 === 0 ? { "http.route": "/cart" } : { "http.route": "/orders" }),
        ...(at % 4 === 0 ? { retry: true, status: 503, ratio: 0.5 } : {}),
      },
    }));
  await api.ingest("logs", logsOf(pod1, records(0)));
  await api.ingest("logs", logsOf(cart, records(200)));
  await api.store.flush();
  await api.ingest("logs", logsOf(pod2, records(100)));
  // Fifty records share one nanosecond, ten of them equal in everything; some are flushed and some are not.
  const tied = (count: number, from: number) =>
    Array.from({ length: count }, (_, at) => ({
      timeNs: startNs + 300n * second,
      body: at % 5 === 0 ? "tied and equal" : `tied ${from + at}`,
    }));
  await api.ingest("logs", logsOf(cart, tied(25, 0)));
  await api.store.flush();
  await api.ingest("logs", logsOf(cart, tied(25, 25)));
  await api.ingest(
    "logs",
    logsOf({ "service.name": "secret" }, [{ timeNs: startNs, body: "refused elsewhere" }]),
    "other",
  );
}, 60_000);
afterAll(() => api[Symbol.asyncDispose]());

function filterFrom(
  { query, grep, service, severity, field }: Record<string, string | string[]>,
): RecordFilter {
  return {
    query: query as string | undefined,
    grep: grep as string | undefined,
    services: [service ?? []].flat(),
    severity: severity === undefined ? undefined : parseSeverity(String(severity), "severity"),
    fields: [field ?? []].flat().map((each) => parseFieldValue(each, "field")),
  };
}

function queryOf(parameters: Record<string, string | number | string[]>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const each of [value].flat()) search.append(name, String(each));
  }
  return `/api/v1/logs/search?${search}`;
}

test.each(filters.map((filter, at) => [JSON.stringify(filter), at] as const))(
  "a search, the same as JSON, and a live tail find the same records: %s",
  async (_, at) => {
    const found = await api.get(queryOf({ ...filters[at], limit: 1_000 }));
    expect(found.status).toBe(200);
    expect(found.records.length).toBe(live[at]);
    const posted = await api.post("/api/v1/logs/search", { ...filters[at], limit: 1_000 });
    expect(posted.records).toEqual(found.records);
    const times = found.records.map((row: { timestamp: string }) => row.timestamp);
    expect(times).toEqual(times.toSorted().reverse());
  },
);

test("a row of a live tail is the same JSON as that of a search", async () => {
  const { records } = await api.get(queryOf({ limit: 1_000 }));
  expect(records.map((row: unknown) => JSON.stringify(row)).sort()).toEqual(sent.toSorted());
});

test("the filters tell records apart", () => {
  expect(live[0]).toBe(230);
  const finding = (count: number) =>
    filters.filter((_, at) => live[at] === count).map((each) => JSON.stringify(each));
  expect(finding(0)).toEqual([
    '{"query":"\\"refused connection\\""}',
    '{"grep":"Refused"}',
    '{"field":"attributes.k8s.pod.name=checkout-2"}',
  ]);
  expect(finding(230)).toEqual(["{}", '{"service":["cart","checkout"]}']);
});

test.each(
  [[1, "desc"], [7, "desc"], [7, "asc"], [50, "asc"], [64, "desc"], [229, "desc"], [230, "asc"]] as const,
)(
  "pages of %d, %s, have every record once, those of one nanosecond included",
  async (limit, order) => {
    const all = (await api.get(queryOf({ limit: 1_000, order }))).records;
    const paged: unknown[] = [];
    let cursor: string | null = null, pages = 0;
    do {
      const page: { records: unknown[]; next: string | null } = await api.get(
        queryOf({ limit, order, ...(cursor === null ? {} : { cursor }) }),
      );
      expect(page.records.length).toBeLessThanOrEqual(limit);
      paged.push(...page.records);
      cursor = page.next;
    } while (cursor !== null && ++pages < 300);
    expect(paged.map((row) => (row as { timestamp: string }).timestamp)).toEqual(
      all.map((row: { timestamp: string }) => row.timestamp),
    );
    expect(paged.map((row) => JSON.stringify(row)).sort()).toEqual(
      all.map((row: unknown) => JSON.stringify(row)).sort(),
    );
  },
  60_000,
);

test("records that arrive and flushes between two pages shift nothing", async () => {
  await using own = await openApi();
  const record = (body: string) => ({ timeNs: startNs, body });
  await own.ingest("logs", logsOf(cart, Array.from({ length: 9 }, (_, at) => record(`old ${at % 4}`))));
  const seen: string[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < 30; page++) {
    const answer = await own.get(queryOf({ query: "old", limit: 2, ...(cursor === null ? {} : { cursor }) }));
    seen.push(...answer.records.map((row: { body: string }) => row.body));
    cursor = answer.next;
    if (cursor === null) break;
    if (page === 0) await own.ingest("logs", logsOf(cart, [record("new 1"), record("new 2")]));
    if (page === 1) await own.store.flush();
  }
  expect(seen.sort()).toEqual([
    "old 0",
    "old 0",
    "old 0",
    "old 1",
    "old 1",
    "old 2",
    "old 2",
    "old 3",
    "old 3",
  ]);
}, 60_000);

test.each([[{ searchRowsMax: 7 }], [{ searchBytesMax: 20_000 }]])(
  "where the node's own limit is less than a page, pages are shorter and nothing is lost: %j",
  async (limits) => {
    await using own = await openApi(limits);
    const records = Array.from({ length: 40 }, (_, at) => ({
      timeNs: startNs + BigInt(Math.floor(at / 4)) * second, // four of each time
      body: `${at} ${"x".repeat(1_000)}`,
    }));
    await own.ingest("logs", logsOf(cart, records));
    const seen: number[] = [];
    let cursor: string | null = null, pages = 0;
    do {
      const page: { records: { body: string }[]; next: string | null } = await own.get(
        queryOf({ limit: 100, order: "asc", ...(cursor === null ? {} : { cursor }) }),
      );
      seen.push(...page.records.map(({ body }) => parseInt(body)));
      cursor = page.next;
      pages++;
    } while (cursor !== null && pages < 100);
    expect(seen.sort((left, right) => left - right)).toEqual(records.map((_, at) => at));
    expect(pages).toBeGreaterThan(2);
  },
  30_000,
);

test("a record that is larger than an answer is refused, not passed over", async () => {
  await using own = await openApi({ searchBytesMax: 10_000 });
  await own.ingest("logs", logsOf(cart, [{ timeNs: startNs, body: "x".repeat(20_000) }]));
  expect(await own.get(queryOf({}))).toMatchObject({ status: 413, error: { code: "too_large" } });
});

test("a cursor of another search, or one that was made up, is refused", async () => {
  const { next } = await api.get(queryOf({ query: "refused", limit: 1 }));
  expect(await api.get(queryOf({ query: "timeout", cursor: next }))).toMatchObject({
    status: 400,
    error: { code: "invalid_argument", message: expect.stringContaining("another search") },
  });
  expect(await api.get(queryOf({ cursor: "bm9uc2Vuc2U" }))).toMatchObject({ status: 400 });
});

test("the time range of the first page is that of all", async () => {
  const since = new Date(Number(startNs / 1_000_000n) + 30_000).toISOString();
  const first = await api.get(queryOf({ since, order: "asc", limit: 2 }));
  expect(first.records[0].timestamp.slice(0, 19)).toBe(since.slice(0, 19));
  const next = await api.get(queryOf({ since: "1ms", order: "asc", limit: 2, cursor: first.next }));
  expect(next.records.length).toBe(2);
});

test("context is of the same service and resource, oldest first, without the record itself", async () => {
  const { records } = await api.get(
    queryOf({ query: "nebenan", field: "k8s.pod.name=checkout-2", limit: 3, before: 2, after: 3 }),
  );
  expect(records.length).toBe(3);
  for (const { timestamp, before, after, ...record } of records) {
    const times = [...before, { timestamp }, ...after].map((row) => row.timestamp);
    expect(times).toEqual(times.toSorted());
    expect([before.length, after.length]).toEqual([2, 3]);
    for (const row of [...before, ...after]) {
      expect(row.resource_attributes).toBe(record.resource_attributes);
      expect(row.timestamp).not.toBe(timestamp);
    }
  }
});

test("context of a record that shares its nanosecond has the others and not itself", async () => {
  const { records: [hit] } = await api.get(queryOf({ grep: "tied 7", limit: 1, before: 1, after: 100 }));
  expect(hit.after.length).toBe(49);
  expect(hit.after.map((row: { body: string }) => row.body)).not.toContain("tied 7");
});

test("NDJSON and CSV have the records of JSON, and name the next page in a header", async () => {
  const json = await api.get(queryOf({ service: "checkout", limit: 5 }));
  const ndjson = await api.app.request(queryOf({ service: "checkout", limit: 5 }), {
    headers: { Accept: "application/x-ndjson" },
  });
  expect((await ndjson.text()).trim().split("\n").map((line) => JSON.parse(line))).toEqual(json.records);
  expect(ndjson.headers.get("X-OpenWit-Next")).toBe(json.next);
  const csv = await api.app.request(queryOf({ service: "checkout", limit: 5 }), {
    headers: { Accept: "text/csv" },
  });
  expect((await csv.text()).trim().split("\n").length).toBe(6);
});

test("a tenant sees nothing of another", async () => {
  const found = async (tenant: string) =>
    (await api.get(queryOf({ query: "elsewhere" }), { "X-Scope-OrgID": tenant })).records.length;
  expect([await found("default"), await found("other"), await found("nobody")]).toEqual([0, 1, 0]);
});

test.each([
  ["qurey=x", "query"],
  ["limit=0", "limit"],
  ["limit=10001", "10000"],
  ["limit=5&limit=6", "limit"],
  ["severity=loud", "severity"],
  ["severity=25", "severity"],
  ["field=novalue", "KEY=VALUE"],
  ["field=severity_number=high", "severity_number"],
  ["field=timestamp=now", "timestamp"],
  ["order=newest", "desc"],
  ["since=yesterday", "since"],
  ["before=5&limit=500", "200"],
  ["query=%22open", "quote"],
])("?%s is refused, and the answer says %s", async (search, word) => {
  const { status, error } = await api.get(`/api/v1/logs/search?${search}`);
  expect([status, error.code]).toEqual([400, "invalid_argument"]);
  expect(`${error.message} ${error.hint}`).toContain(word);
});

test("spans and metrics can be searched too, and have neither severity nor context", async () => {
  expect((await api.get("/api/v1/spans/search?query=x")).records).toEqual([]);
  expect(await api.get("/api/v1/spans/search?severity=warn")).toMatchObject({ status: 400 });
  expect(await api.get("/api/v1/metrics/search?before=1")).toMatchObject({ status: 400 });
});
