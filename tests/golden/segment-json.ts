/** JSON that keeps 64-bit integers, and doubles that JSON has no word for. */

export function exactJson(value: unknown): string {
  const replace = (_: string, each: unknown) => {
    if (typeof each === "bigint") return { $int: String(each) };
    if (typeof each === "number" && !Number.isFinite(each)) return { $double: String(each) };
    return each;
  };
  return JSON.stringify(value, replace, 1) + "\n";
}

export function parseExactJson(text: string): unknown {
  return JSON.parse(text, (_, each) => {
    if (typeof each?.$int === "string") return BigInt(each.$int);
    return typeof each?.$double === "string" ? Number(each.$double) : each;
  });
}
