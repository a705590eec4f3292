/** Random statements whose answer is one and the same, however their rows are found: for the test of the planner. */
import { type Random, randomBelow } from "../../core/env/random.ts";
import { isoTimestamp } from "../../core/model/row.ts";
import { firstNs, routes, services, spanNs, words } from "./pruning_data.ts";

type Table = "logs" | "spans";

export interface PruningQuery {
  readonly sql: string;
  /** Whether its order is part of the answer. */
  readonly isOrdered: boolean;
}

export function anyQuery(random: Random): PruningQuery {
  const table: Table = randomBelow(random, 3) === 0 ? "spans" : "logs";
  const query = new Query(random);
  switch (randomBelow(random, 14)) {
    case 12:
    case 13:
      return query.within(table);
    case 10:
    case 11:
      return query.points();
    case 0:
    case 1:
    case 2:
    case 3:
      return query.newest(table);
    case 4:
    case 5:
      return query.rows(table);
    case 6:
      return query.groups(table);
    case 7:
      return query.join();
    case 8:
      return query.nested(table);
    default:
      return query.union(table);
  }
}

class Query {
  constructor(readonly random: Random) {}

  newest(table: Table): PruningQuery {
    const time = timeOf(table), alias = this.chance(3) ? "x" : table;
    const direction = this.pick(["DESC", "DESC", "DESC", "ASC", "", "DESC NULLS FIRST", "ASC NULLS LAST"]);
    const offset = this.chance(4) ? ` OFFSET ${this.below(200)}` : "";
    const limit = `LIMIT ${this.pick(["1", "5", "20", "100", "1000"])}${offset}`;
    const where = this.where(table, alias === table ? "" : "x.");
    // With a second key the order is one alone; else only the times are, whichever of equal rows are taken.
    const isWhole = this.chance(2);
    const columns = isWhole
      ? this.pick(["*", `${time}, span_id, service_name`, `${time} AS t, upper(service_name), span_id`])
      : time;
    const by = columns.includes(" AS t")
      ? "t"
      : this.chance(5) && columns !== "*"
      ? "1"
      : `${this.chance(4) ? `${alias}.` : ""}${time}`;
    const order = `${by} ${direction}${isWhole ? ", span_id" : ""}`;
    return {
      sql: `SELECT ${columns} FROM ${table} ${alias} ${where} ORDER BY ${order} ${limit}`,
      isOrdered: true,
    };
  }

  rows(table: Table): PruningQuery {
    const columns = this.pick([
      "*",
      "span_id, attributes",
      table === "spans" ? "span_id, events, links, status_code" : "span_id, observed_timestamp, flags, body",
      "span_id, service_name",
      `count(*), min(${timeOf(table)}), max(span_id)`,
    ]);
    return { sql: `SELECT ${columns} FROM ${table} ${this.where(table, "", true)}`, isOrdered: false };
  }

  /** Of metrics, which have no ids and their own names. */
  points(): PruningQuery {
    const conditions = [
      `metric_name = 'rare.${this.below(70)}'`,
      `metric_name IN ('cpu', 'rare.${this.below(70)}')`,
      `type = '${this.pick(["gauge", "sum", "none"])}'`,
      `service_name ${this.pick(["=", "<>", "<"])} '${this.pick(services)}'`,
      `value ${this.pick(["=", "<", ">="])} ${this.below(100) / 8}`,
      `attributes['n'] = '${this.below(420)}'`,
      "count IS NULL",
      "value_int IS NOT NULL",
      this.times("metrics", ""),
    ];
    const some = Array.from({ length: 1 + this.below(3) }, () => this.pick(conditions));
    const where = `WHERE ${some.join(" AND ")}`;
    if (this.chance(2)) {
      const by = `timestamp ${this.pick(["DESC", "ASC"])}, series_id`;
      const columns = this.pick([
        "*",
        "timestamp, series_id, exemplars, quantiles",
        "timestamp, bucket_counts",
      ]);
      return {
        sql: `SELECT ${columns} FROM metrics ${where} ORDER BY ${by} LIMIT ${this.pick(["1", "20", "300"])}`,
        isOrdered: true,
      };
    }
    return {
      sql: `SELECT * FROM metrics WHERE ${some.join(" AND ")} AND metric_name = 'rare.${this.below(70)}'`,
      isOrdered: false,
    };
  }

  groups(table: Table): PruningQuery {
    const key = this.pick([
      "service_name",
      "attributes['http.route']",
      "resource_attributes['k8s.pod.name']",
      `date_trunc('minute', ${timeOf(table)})`,
    ]);
    return {
      sql: `SELECT ${key} AS k, count(*), max(span_id) FROM ${table} ${
        this.where(table, "")
      } GROUP BY k ORDER BY k`,
      isOrdered: true,
    };
  }

  join(): PruningQuery {
    const kind = this.pick([
      "JOIN",
      "JOIN",
      "LEFT JOIN",
      "RIGHT JOIN",
      "SEMI JOIN",
      "ANTI JOIN",
      "FULL JOIN",
    ]);
    const isNarrow = `l.trace_id = '${this.trace()}'`;
    const on = this.chance(2) || kind === "FULL JOIN" // whose other conditions are tried on every pair of rows
      ? "USING (trace_id)"
      : `ON l.trace_id = s.trace_id AND ${this.condition("spans", "s.", 1)}`;
    const hasRight = kind !== "SEMI JOIN" && kind !== "ANTI JOIN";
    const more = hasRight && this.chance(2) ? ` AND ${this.condition("spans", "s.", 1)}` : "";
    const where = `WHERE ${isNarrow} AND ${this.condition("logs", "l.", 1)}${more}`;
    const columns = hasRight ? "l.span_id, s.span_id, l.body, s.name" : "l.span_id, l.body";
    return { sql: `SELECT ${columns} FROM logs l ${kind} spans s ${on} ${where}`, isOrdered: false };
  }

  nested(table: Table): PruningQuery {
    const other: Table = this.pick(["logs", "spans"]) as Table;
    const inner = `SELECT trace_id FROM ${other} ${this.where(other, "", true)}`;
    switch (this.below(4)) {
      case 0:
        return {
          sql: `SELECT span_id FROM ${table} WHERE trace_id IN (${inner}) AND ${
            this.condition(table, "", 1)
          }`,
          isOrdered: false,
        };
      case 1:
        return {
          sql: `WITH found AS (SELECT * FROM ${table} ${this.where(table, "")}), ids AS (${inner}) ` +
            "SELECT count(*), max(span_id) FROM found WHERE trace_id IN (FROM ids)",
          isOrdered: false,
        };
      case 2:
        return {
          sql:
            `SELECT count(*), min(span_id) FROM (SELECT * FROM ${table} ${this.where(table, "")} ORDER BY ${
              timeOf(table)
            } DESC, span_id LIMIT 50) q ` +
            `WHERE ${this.condition(table, "q.", 1)}`,
          isOrdered: false,
        };
      default:
        return {
          sql:
            `SELECT span_id, (SELECT count(*) FROM ${other} o WHERE o.trace_id = t.trace_id AND ${
              this.condition(other, "o.", 1)
            }) AS n ` +
            `FROM ${table} t WHERE t.trace_id = '${this.trace()}'`,
          isOrdered: false,
        };
    }
  }

  /** Conditions on what an inner query gives: some of them hold for its rows, and some would change the answer. */
  within(table: Table): PruningQuery {
    const time = timeOf(table), other = this.pick(["logs", "spans"]) as Table;
    const inner = this.pick([
      ...Array.from({ length: 5 }, () => `SELECT * FROM ${table} ${this.where(table, "")}`),
      `SELECT * FROM (SELECT * FROM ${table} ${this.where(table, "")} ORDER BY span_id)`,
      `SELECT x.* FROM ${table} x`,
      `SELECT * FROM ${table} ${this.where(table, "")} ORDER BY ${time} DESC, span_id LIMIT 40`,
      `SELECT DISTINCT ON (service_name) * FROM ${table} ORDER BY service_name, ${time}, span_id`,
      `SELECT * FROM ${table} QUALIFY row_number() OVER (PARTITION BY service_name ORDER BY ${time}, span_id) < 9`,
      `SELECT * EXCLUDE (flags) FROM ${table}`,
      `SELECT x.* FROM ${other} y LEFT JOIN ${table} x ON x.span_id = y.span_id AND y.trace_id = '${this.trace()}'`,
      `SELECT * FROM ${table} WHERE trace_id IN (SELECT trace_id FROM ${other} ${
        this.where(other, "", true)
      })`,
    ]);
    const columns = `span_id, trace_id, service_name, ${time}, attributes, resource_attributes, ${
      table === "logs" ? "body, severity_number, severity_text" : "name, kind, status_code"
    }`;
    const renamed =
      `SELECT span_id, service_name AS trace_id, trace_id AS service_name, ${time} AS t FROM (${inner})`;
    const where = `${this.condition(table, "q.", 1)}${
      this.chance(2) ? ` AND ${this.times(table, this.pick(["", "q."]))}` : ""
    }`;
    const swapped = `q.service_name = '${this.trace()}'${
      this.chance(2) ? ` AND q.trace_id >= '${this.pick(services)}'` : ""
    }`;
    const given = "count(*), min(q.span_id), max(q.trace_id)";
    return {
      sql: this.pick([
        `WITH q AS (${inner}) SELECT ${given} FROM q WHERE ${where}`,
        `WITH a AS (${inner}), q AS (SELECT ${columns} FROM a) SELECT ${given} FROM q WHERE ${where}`,
        `WITH q AS (${inner}) SELECT ${given}, (SELECT count(*) FROM q) FROM q WHERE ${where}`,
        `SELECT ${given} FROM (${inner}) q WHERE ${where}`,
        `SELECT ${given} FROM (${renamed}) q WHERE ${swapped}`,
        `SELECT ${given} FROM (${renamed}) q WHERE ${this.times(table, "q.").replaceAll(time, "t")}`,
        `WITH q AS (${inner}) SELECT ${given}, count(o.span_id) FROM ${other} o ${
          this.pick(["JOIN", "LEFT JOIN", "RIGHT JOIN"])
        } q USING (trace_id) WHERE o.trace_id = '${this.trace()}' AND ${this.condition(table, "q.", 1)}`,
      ]),
      isOrdered: false,
    };
  }

  union(table: Table): PruningQuery {
    const one = () => `SELECT span_id, service_name FROM ${table} ${this.where(table, "", true)}`;
    return {
      sql: `${one()} ${this.pick(["UNION", "UNION ALL", "INTERSECT", "EXCEPT"])} ${one()}`,
      isOrdered: false,
    };
  }

  /** @param isNarrow with a condition that few rows meet, for statements that give all they find */
  where(table: Table, prefix: string, isNarrow = false): string {
    const areTexts = this.chance(4);
    const conditions = Array.from(
      { length: areTexts ? 1 + this.below(2) : this.below(3) },
      () => areTexts ? this.sought(table, prefix) : this.condition(table, prefix, 2),
    );
    if (isNarrow) conditions.push(this.rare(table, prefix));
    if (this.chance(2)) conditions.push(this.times(table, prefix));
    return conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
  }

  rare(table: Table, prefix: string): string {
    return this.pick([
      `${prefix}trace_id = '${this.trace()}'`,
      `${prefix}trace_id IN ('${this.trace()}', '${this.trace()}', 'nothing')`,
      `${prefix}attributes['user.id'] = 'u${this.below(6)}'`,
      `(${prefix}attributes['user.id'] = 'u1' OR ${prefix}trace_id = '${this.trace()}')`,
      ...table === "logs"
        ? [
          `${prefix}body LIKE '%rare${this.below(5)}%'`,
          `match(${prefix}body, 'rare${this.below(5)}')`,
          `regexp_matches(${prefix}body, 'rare[0-${this.below(4)}]')`,
        ]
        : [`${prefix}status_code = 2`],
    ]);
  }

  condition(table: Table, prefix: string, depth: number): string {
    if (depth > 0 && this.chance(4)) {
      const parts = [this.condition(table, prefix, depth - 1), this.condition(table, prefix, depth - 1)];
      return `(${parts.join(this.chance(2) ? " OR " : " AND ")})`;
    }
    if (depth > 0 && this.chance(8)) return `NOT ${this.condition(table, prefix, depth - 1)}`;
    if (this.chance(6)) return this.rare(table, prefix);
    if (this.chance(6)) return this.times(table, prefix);
    const word = this.pick(words);
    return this.pick([
      `${prefix}service_name = '${this.pick(services)}'`,
      `'${this.pick(services)}' = ${prefix}service_name`,
      `${prefix}service_name IN ('${this.pick(services)}', 'none')`,
      `${prefix}service_name <> 'cart'`,
      `${prefix}attributes['http.route'] = '${this.pick(routes)}'`,
      `${prefix}attributes['n'] = '${this.below(420)}'`,
      `CAST(${prefix}attributes['n'] AS INTEGER) > ${this.below(400)}`,
      `${prefix}attributes['absent'] IS NULL`,
      `${prefix}resource_attributes['k8s.pod.name'] = 'pod-${this.below(32)}'`,
      `${prefix}resource_attributes['k8s.pod.name'] IN ('pod-${this.below(32)}', 'pod-${this.below(32)}')`,
      `${prefix}resource_attributes['k8s.pod.name'] ${this.pick(["<>", "<", "LIKE"])} 'pod-${
        this.below(32)
      }'`,
      `${prefix}resource_attributes['${this.pick(["n", "absent"])}'] IS ${this.pick(["", "NOT "])}NULL`,
      `(${prefix}resource_attributes->>'n') = '${this.below(6)}'`,
      `length(${prefix}service_name) > 4`,
      this.comparison(table, prefix),
      this.comparison(table, prefix),
      this.sought(table, prefix),
      ...table === "logs"
        ? [
          `${prefix}severity_number = 17`,
          `${prefix}severity_number IN (13, '17')`,
          `${prefix}severity_text = 'ERROR'`,
          `${prefix}severity_number >= ${this.below(26)}`,
          `${this.below(25)} < ${prefix}severity_number`,
          `${prefix}severity_number BETWEEN ${this.below(20)} AND ${this.below(25)}`,
          `match(${prefix}body, 'level:${this.pick(["error", "Warn", "fatal"])}')`,
          `lower(${prefix}severity_text) IN ('error', '${this.pick(["fatal", "debug"])}')`,
          this.errorsOf(prefix, "severity_number >= 17"),
          this.errorsOf(prefix, "severity_number > 20"),
          this.errorsOf(prefix, "lower(severity_text) = 'error'"),
          this.errorsOf(prefix, "severity_number IN (13, 18)"),
          `${prefix}body LIKE '%${word}%'`,
          `${prefix}body ILIKE '${word}%'`,
          `contains(${prefix}body, 'order${this.below(55)}')`,
          `starts_with(${prefix}body, '${word}')`,
          `match(${prefix}body, '${word} ${this.chance(2) ? "OR" : "NOT"} ${this.pick(words)}')`,
          `match(${prefix}body, 'order${this.below(6)}* service:cart')`,
          `match(${prefix}body, 'http.route:/admin -refused')`,
        ]
        : [
          `${prefix}kind = ${this.below(7)}`,
          `${prefix}status_code > ${this.below(3)}`,
          this.errorsOf(prefix, "status_code = 2"),
          `${prefix}name = 'GET /cart'`,
          `match(${prefix}name, 'admin')`,
        ],
    ]);
  }

  /** What is wrong with one service, or with one of two. */
  errorsOf(prefix: string, condition: string): string {
    const service = this.chance(4)
      ? `IN ('${this.pick(services)}', '${this.pick(services)}')`
      : `= '${this.pick(services)}'`;
    const qualified = condition.replace(/severity_\w+|status_code/, (column) => prefix + column);
    return `(${prefix}service_name ${service} AND ${qualified})`;
  }

  /** Of a column with a constant, in all forms in which rows are found on pages. */
  comparison(table: Table, prefix: string): string {
    const operator = this.pick(["=", "<>", "<", "<=", ">", ">="]);
    const text = this.pick([...services, "c", "", "ch", "zz", "naïve", "it''s"]);
    const [from, end] = [this.pick(services), this.pick(services)];
    const columns = table === "logs"
      ? ["observed_timestamp", "body", "pattern_id", "ingest_timestamp"]
      : ["end_timestamp", "parent_span_id", "status_message"];
    const column = this.pick([
      "service_name",
      "span_id",
      "trace_id",
      ...table === "logs" ? ["body"] : ["name"],
    ]);
    const number = table === "logs" ? "severity_number" : this.pick(["kind", "duration_ns"]);
    const value = this.pick([
      "0",
      "3",
      "9",
      "13",
      "-1",
      "500000",
      "2147483647",
      "2147483648",
      "-9223372036854775807",
    ]);
    const flags = this.pick(["1", "0", "4294967295", "4294967296", "-1"]);
    const time = `'${isoTimestamp(firstNs + spanNs * BigInt(this.below(1_000)) / 1_000n)}'`;
    return this.pick([
      `${prefix}${column} ${operator} '${text}'`,
      `'${text}' ${operator} ${prefix}${column}`,
      `${prefix}service_name BETWEEN '${from}' AND '${end}'`,
      `${prefix}service_name NOT IN ('${from}', '${end}')`,
      `${prefix}${number} ${operator} ${value}`,
      `${prefix}${number} BETWEEN 2 AND ${value}`,
      `${prefix}${number} NOT IN (1, ${value})`,
      `${prefix}flags ${operator} ${flags}`,
      `${prefix}${this.pick(columns)} IS ${this.chance(2) ? "NOT " : ""}NULL`,
      `${prefix}${columns[0]} ${operator} ${time}`,
      `${prefix}ingest_timestamp ${operator} ${time}::TIMESTAMP_NS - INTERVAL '3 minutes'`,
      `${prefix}${timeOf(table)} ${operator} ${time}`,
    ]);
  }

  /** A text that is looked for in another one, in all forms in which rows are found on pages. */
  sought(table: Table, prefix: string): string {
    const column = prefix + (table === "logs" ? this.pick(["body", "body", "service_name"]) : "name");
    const all = [...words, ...routes, "order1", "rare2", "GET", "o", "OK", "NAÏVE", "A", "checkout"];
    const [one, other] = [this.pick(all), this.pick(all)];
    return this.pick([
      `match(${column}, '${one} ${other}')`,
      `match(${column}, '${one}')`,
      `match(${column}, '"${one} ${other}"')`,
      `match(${column}, '${one}*')`,
      `contains(lower(${column}), lower('${one}'))`,
      `contains(${column}, '${one}')`,
      `${column} LIKE '%${one}%${other}%'`,
      `${column} LIKE '${one}%'`,
      `${column} LIKE '%${one}'`,
      `${column} ILIKE '%${one}%${other}%'`,
      `starts_with(lower(${column}), '${one}')`,
      `ends_with(${column}, '${this.pick(["1", "order11", "rare1", "rt"])}')`,
    ]);
  }

  times(table: Table | "metrics", prefix: string): string {
    const column = `${prefix}${timeOf(table)}`;
    const [from, end] = [this.below(1_100), this.below(1_100)].sort((left, right) => left - right)
      .map((share) => `'${isoTimestamp(firstNs + spanNs * BigInt(share) / 1_000n)}'`);
    return this.pick([
      `${column} >= ${from} AND ${column} < ${end}`,
      `${column} BETWEEN ${from} AND ${end}`,
      `${from} < ${column}`,
      `${column} > ${end}::TIMESTAMP_NS - INTERVAL '${this.below(30)} minutes'`,
      `CAST(${column} AS TIMESTAMP) <= ${end}`,
      `date_trunc('minute', ${column}) = date_trunc('minute', ${from}::TIMESTAMP_NS)`,
      `epoch_ms(${column}) < epoch_ms(${end}::TIMESTAMP_NS)`,
    ]);
  }

  trace(): string {
    return this.below(4_000).toString(16).padStart(32, "0");
  }

  pick(list: readonly string[]): string {
    return list[this.below(list.length)];
  }

  below(count: number): number {
    return randomBelow(this.random, count);
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }
}

function timeOf(table: Table | "metrics"): string {
  return table === "spans" ? "start_timestamp" : "timestamp";
}
