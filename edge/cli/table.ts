/** Rows as a table of text whose widths fit the terminal. */

const cellWidthMin = 8;

/** @param width columns of the terminal; the widest cells are cut, with "…", until a row fits */
export function renderTable(
  columns: readonly { name: string; type: string }[],
  rows: readonly (readonly unknown[])[],
  width: number,
): string {
  const cells = rows.map((row) => row.map(cellText));
  const widths = columns.map((column, index) =>
    Math.max(column.name.length, ...cells.map((row) => row[index].length), 1)
  );
  const gaps = (widths.length - 1) * 2;
  while (widths.length > 0 && widths.reduce((sum, each) => sum + each, gaps) > width) {
    const widest = widths.indexOf(Math.max(...widths));
    if (widths[widest] <= cellWidthMin) break;
    widths[widest]--;
  }
  const isNumber = columns.map(({ type }) =>
    /INT|DOUBLE|FLOAT|DECIMAL|REAL/.test(type) && !/[[(]/.test(type)
  );
  const line = (values: readonly string[]) =>
    values.map((value, index) => {
      const cut = value.length > widths[index] ? value.slice(0, widths[index] - 1) + "…" : value;
      return isNumber[index] ? cut.padStart(widths[index]) : cut.padEnd(widths[index]);
    }).join("  ").trimEnd() + "\n";
  return line(columns.map(({ name }) => name)) + line(widths.map((each) => "─".repeat(each))) +
    cells.map(line).join("");
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return "NULL";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.replaceAll(/[\n\r\t]/g, " ");
}
