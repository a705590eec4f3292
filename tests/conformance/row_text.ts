/** Rows of an engine as text, to compare them: 64-bit integers and what is no finite number keep apart from the rest. */
export function textOf(row: Record<string, unknown>): string {
  return JSON.stringify(
    row,
    (_, value) =>
      typeof value === "bigint"
        ? `${value}n`
        : typeof value === "number" && !Number.isFinite(value)
        ? `${value}`
        : value,
  );
}
