/**
 * What people ask a long history, each as a request to the server and as SQL for the files alone. Both must find the
 * same; what is wanted of the times is written beside.
 */
import { nonWordClass } from "../../core/text/word.ts";
import { needle } from "./needle.ts";

export interface NeedleQuery {
  readonly name: string;
  readonly ask: Ask;
  /** Over views `logs`, `spans` and `metrics` of the Parquet files. */
  readonly plainSql: string;
  /** How both answers are compared: cell by cell, or by their number of rows. */
  readonly same: "cells" | "rows";
  readonly wanted?: { readonly ratio?: number; readonly ms?: number };
}

/** A statement, or a path of the API and what of its answer is compared. */
export type Ask = { readonly sql: string } | {
  readonly path: string;
  readonly read: (answer: Record<string, unknown>) => unknown[][];
};

/** Values of the history at hand. */
export interface Samples {
  /** After the last record, as ISO text. */
  readonly end: string;
  readonly dayBefore: string;
  readonly hourBefore: string;
  /** Of a trace with spans of several services, in the middle of the history. */
  readonly trace: string;
  /** An order of that time: in a handful of bodies and attributes. */
  readonly order: string;
  readonly pod: string;
}

export function needleQueries({ end, dayBefore, hourBefore, trace, order, pod }: Samples): NeedleQuery[] {
  const lastDay = `timestamp >= '${dayBefore}' AND timestamp < '${end}'`;
  const lastHour = `timestamp >= '${hourBefore}' AND timestamp < '${end}'`;
  const { word, phrase, attribute } = needle;
  const isWord = (text: string) =>
    `contains(lower(body), '${text}') AND regexp_matches(lower(body), '(^|${nonWordClass})${text}(${nonWordClass}|$)')`;
  const rowsOf = (
    name: string,
    sql: string,
    plainSql: string,
    wanted?: NeedleQuery["wanted"],
  ): NeedleQuery => ({
    name,
    ask: { sql },
    plainSql,
    same: "rows",
    ...(wanted === undefined ? {} : { wanted }),
  });
  const both = (name: string, sql: string, wanted?: NeedleQuery["wanted"]): NeedleQuery => ({
    ...rowsOf(name, sql, sql, wanted),
    same: /^SELECT (?!\*)/.test(sql) ? "cells" : "rows",
  });
  const matched = (
    name: string,
    query: string,
    plain: string,
    wanted?: NeedleQuery["wanted"],
  ): NeedleQuery => ({
    ...rowsOf(
      name,
      `SELECT count(*) FROM logs WHERE match(body, '${query}')`,
      `SELECT count(*) FROM logs WHERE ${plain}`,
      wanted,
    ),
    same: "cells",
  });
  return [
    matched("rare word", word, isWord(word), { ratio: 50 }),
    rowsOf(
      "rare word, its records",
      `SELECT * FROM logs WHERE match(body, '${word}') ORDER BY timestamp DESC LIMIT 100`,
      `SELECT * FROM logs WHERE ${isWord(word)} ORDER BY timestamp DESC LIMIT 100`,
      { ratio: 50 },
    ),
    matched("a word that is nowhere", "zyzzyva", isWord("zyzzyva"), { ratio: 50 }),
    matched("order by its number", order, isWord(order.toLowerCase()), { ratio: 20 }),
    matched("phrase", `"${phrase}"`, isWord("nxdomain").replace("nxdomain", phrase.toLowerCase()), {
      ratio: 20,
    }),
    matched("prefix", "nxdom*", `regexp_matches(lower(body), '(^|${nonWordClass})nxdom')`, { ratio: 20 }),
    matched("common word", "payment", isWord("payment")),
    both("LIKE, rare", "SELECT count(*) FROM logs WHERE body LIKE '%NXDOMAIN%'", { ratio: 20 }),
    both("LIKE, part of a word", "SELECT count(*) FROM logs WHERE body LIKE '%XDOMAI%'", { ratio: 5 }),
    both("LIKE, common", "SELECT count(*) FROM logs WHERE body LIKE '%deadlock%'"),
    both(
      "regular expression",
      "SELECT count(*) FROM logs WHERE regexp_matches(body, 'resolver 10\\.0\\.0\\.\\d+ answered')",
      { ratio: 20 },
    ),
    {
      name: "whole trace by id",
      ask: { path: `/api/v1/traces/${trace}`, read: ({ spans }) => spans as unknown[][] },
      plainSql: `SELECT * FROM spans WHERE trace_id = '${trace}' ORDER BY start_timestamp`,
      same: "rows",
      wanted: { ms: 40 },
    },
    both(
      "ids and timings of a trace",
      `SELECT span_id, parent_span_id, name, duration_ns FROM spans WHERE trace_id = '${trace}' ORDER BY span_id`,
      { ms: 15 },
    ),
    both("logs of a trace", `SELECT * FROM logs WHERE trace_id = '${trace}' ORDER BY timestamp`, { ms: 40 }),
    both(
      "rare attribute value",
      `SELECT count(*) FROM logs WHERE attributes['${attribute.key}'] = '${attribute.value}'`,
      { ratio: 20 },
    ),
    both("attribute of an order", `SELECT * FROM logs WHERE attributes['order.id'] = '${order}'`, {
      ratio: 20,
    }),
    both(
      "newest 100 with a filter",
      "SELECT * FROM logs WHERE service_name = 'checkout' AND severity_number >= 17 ORDER BY timestamp DESC LIMIT 100",
      { ms: 30 },
    ),
    both("newest 100", "SELECT * FROM logs ORDER BY timestamp DESC LIMIT 100", { ms: 30 }),
    {
      name: "newest 100 by words",
      ask: {
        path: "/api/v1/logs/search?query=payment%20failed&limit=100&order=desc",
        read: ({ records }) => records as unknown[][],
      },
      plainSql: `SELECT * FROM logs WHERE ${isWord("payment")} AND ${
        isWord("failed")
      } ORDER BY timestamp DESC LIMIT 100`,
      same: "rows",
      wanted: { ms: 100 },
    },
    {
      name: "hits histogram, last day",
      ask: {
        path: `/api/v1/logs/hits?since=${dayBefore}&until=${end}&step=30m&by=severity`,
        read: ({ total }) => [[total]],
      },
      plainSql:
        `SELECT sum(n) FROM (SELECT time_bucket(INTERVAL 30 MINUTE, timestamp), severity_number, count(*) AS n FROM logs
          WHERE ${lastDay} GROUP BY ALL)`,
      same: "cells",
      wanted: { ms: 150 },
    },
    both(
      `count by service, last day`,
      `SELECT service_name, count(*) FROM logs WHERE ${lastDay} GROUP BY ALL ORDER BY 1`,
    ),
    both("count by service", "SELECT service_name, count(*) FROM logs GROUP BY ALL ORDER BY 1"),
    rowsOf(
      "a pod's errors, last hour",
      `SELECT * FROM logs WHERE resource_attributes['k8s.pod.name'] = '${pod}' AND severity_number >= 17 AND ${lastHour}`,
      `SELECT * FROM logs WHERE json_extract_string(nullif(resource_attributes, ''), '/k8s.pod.name') = '${pod}'
        AND severity_number >= 17 AND ${lastHour}`,
    ),
    both(
      "p99 by operation, last day",
      `SELECT name, count(*) FROM spans WHERE start_timestamp >= '${dayBefore}' AND start_timestamp < '${end}'
        GROUP BY ALL HAVING quantile_cont(duration_ns, 0.99) > 0 ORDER BY 1`,
    ),
    both(
      "a metric by service, last day",
      `SELECT service_name, count(*), count(value) FROM metrics
        WHERE metric_name = 'process.memory.usage' AND ${lastDay} GROUP BY ALL ORDER BY 1`,
    ),
  ];
}
