/**
 * What parses and prints statements in a DuckDB instance: its own functions, each prepared once on a connection that is
 * kept. Preparing, connecting and fetching are a way to another thread each; so a question is one.
 *
 * Invariant: a parser answers one question at a time, for its statements hold what they were last asked.
 */
import type { DuckDBConnection, DuckDBInstance, DuckDBPreparedStatement } from "@duckdb/node-api";

export type ParserQuestion = keyof typeof questions;

interface Parser {
  readonly connection: DuckDBConnection;
  readonly statements: Partial<Record<ParserQuestion, DuckDBPreparedStatement>>;
}

const treeOf = (sql: string) =>
  `json_serialize_sql(${sql}, skip_default := false, skip_empty := false, skip_null := false)`;

/** By the columns of their answers. */
const questions = {
  parse: `SELECT ${treeOf("$1::VARCHAR")}`,
  print: "SELECT json_deserialize_sql($1::JSON)",
  printAndParse: `SELECT sql, ${treeOf("sql")} FROM (SELECT json_deserialize_sql($1::JSON) AS sql)`,
} as const;

/** Parsers beyond these are closed when they have answered. */
const keptMax = 4;

export class Parsers {
  readonly #free: Parser[] = [];
  #isClosed = false;

  constructor(readonly instance: DuckDBInstance) {}

  /** @throws what DuckDB throws */
  async ask(question: ParserQuestion, text: string): Promise<string[]> {
    const parser = this.#free.pop() ?? { connection: await this.instance.connect(), statements: {} };
    try {
      const statement = parser.statements[question] ??= await parser.connection.prepare(questions[question]);
      statement.bindVarchar(1, text);
      const chunk = (await statement.run()).getChunk(0);
      const answer = Array.from(
        { length: chunk.columnCount },
        (_, column) => String(chunk.getColumnVector(column).getItem(0)),
      );
      statement.clearBindings();
      if (!this.#isClosed && this.#free.length < keptMax) this.#free.push(parser);
      else parser.connection.closeSync();
      return answer;
    } catch (error) {
      parser.connection.closeSync();
      throw error;
    }
  }

  /** When none is asked any more. */
  close(): void {
    this.#isClosed = true;
    for (const { connection } of this.#free.splice(0)) connection.closeSync();
  }
}
