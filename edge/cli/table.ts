/** Rows as a table of text whose widths fit the terminal, or as a block of lines a row where they cannot. */
import { plain, type Style } from "./style.ts";
import { cutText, onOneLine, padEndTo, padStartTo, textWidth, wrapText } from "./width.ts";

export interface TableColumn {
  readonly name: string;
  /** SQL type: numbers stand at the right. */
  readonly type: string;
}

/** A column of text is not made narrower than this for the sake of others. */
const cellWidthMin = 8;

/** Nor one of times, which say nothing when cut before the millisecond. Numbers are not cut at all. */
const timeWidthMin = "2026-11-23T20:31:12.120Z".length;

/** Values of a block are cut at so many lines of the terminal. */
const blockLinesMax = 20;

/**
 * @param width columns of the terminal; the widest cells are cut, with "…", until a row fits, and where that would
 *   leave nothing to read the rows come as blocks
 */
export function renderTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly unknown[])[],
  width: number,
  style: Style = plain,
): string {
  const cells = rows.map((row) => row.map((value, at) => cellText(value, columns[at].type)));
  const wanted = columns.map(({ name }, at) =>
    cells.reduce((most, row) => Math.max(most, textWidth(row[at])), Math.max(1, textWidth(name)))
  );
  const least = columns.map(({ type }, at) =>
    isNumber(type) ? wanted[at] : type.startsWith("TIMESTAMP") ? timeWidthMin : cellWidthMin
  );
  const widths = fitWidths(wanted, least, width - (columns.length - 1) * 2);
  if (widths === undefined) return renderBlocks(columns, rows, width, style);
  const isRight = columns.map(({ type }) => isNumber(type));
  const line = (values: readonly string[], paint: (text: string, at: number) => string) =>
    values.map((value, at) => {
      const cut = cutText(value, widths[at]);
      const padded = isRight[at] ? padStartTo(cut, widths[at]) : padEndTo(cut, widths[at]);
      // Blanks at the end of a line would wrap in a terminal that is a column narrower.
      return paint(at === values.length - 1 ? padded.trimEnd() : padded, at);
    }).join("  ").trimEnd() + "\n";
  return line(columns.map(({ name }) => name), style.bold) +
    line(widths.map((each) => "─".repeat(each)), style.dim) +
    cells.map((row, at) => line(row, (text, column) => isNothing(rows[at][column]) ? style.dim(text) : text))
      .join("");
}

/** A line a value, a block a row. */
export function renderBlocks(
  columns: readonly TableColumn[],
  rows: readonly (readonly unknown[])[],
  width: number,
  style: Style = plain,
): string {
  const nameWidth = Math.max(0, ...columns.map(({ name }) => textWidth(name)));
  const valueWidth = Math.max(cellWidthMin, width - nameWidth - 3);
  return rows.map((row, at) => {
    const title = `─ row ${at + 1} `;
    const head = style.dim(title + "─".repeat(Math.max(0, Math.min(width, 80) - title.length)));
    const lines = row.map((value, column) => {
      const { name, type } = columns[column];
      const text = cutText(cellText(value, type), valueWidth * blockLinesMax);
      const wrapped = wrapText(text, valueWidth).map(({ start, end }) => text.slice(start, end).trimEnd());
      const shown = wrapped.map((each) => isNothing(value) ? style.dim(each) : each);
      return `${style.bold(padEndTo(name, nameWidth))}  ${shown.join(`\n${" ".repeat(nameWidth + 2)}`)}`
        .trimEnd();
    });
    return `${[head, ...lines].join("\n")}\n`;
  }).join("");
}

/**
 * Takes from the widest columns, evenly, what is too much; none becomes narrower than its least width.
 * `undefined` when there is too little room for that.
 */
export function fitWidths(
  widths: readonly number[],
  least: readonly number[],
  room: number,
): number[] | undefined {
  const at = (most: number) => widths.map((each, column) => Math.min(each, Math.max(most, least[column])));
  const total = (most: number) => at(most).reduce((sum, each) => sum + each, 0);
  if (total(0) > room) return undefined;
  // The greatest width at which all fit when the wider ones are cut to it.
  let low = 0, high = Math.max(0, ...widths);
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (total(middle) <= room) low = middle;
    else high = middle - 1;
  }
  let left = room - total(low);
  return at(low).map((width, column) => {
    if (width === widths[column] || width !== low || left === 0) return width;
    left--;
    return width + 1;
  });
}

export function cellText(value: unknown, type: string): string {
  if (isNothing(value)) return "NULL";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return type.startsWith("TIMESTAMP") ? shortTime(text) : onOneLine(text);
}

/** A time without the zeros at its end that say nothing. */
export function shortTime(text: string): string {
  return text.replace(/(?:000)+Z$/, "Z").replace(/\.Z$/, "Z");
}

function isNothing(value: unknown): boolean {
  return value === null || value === undefined;
}

function isNumber(type: string): boolean {
  return /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DOUBLE|FLOAT|REAL|DECIMAL\(.*\))$/.test(type);
}
