/**
 * Calls that could take gigabytes for one value are allowed only with small constants: a text repeated, padded or
 * formatted to a width, a list of every number in a range. Rows are bounded elsewhere: by time-out and memory limit.
 */
import { OpenWitError } from "../error.ts";
import { constantInteger, constantText, nodesIn, positionOf, type SqlNode, textOf } from "./tree.ts";

/** Most elements or characters that such a call may make. */
export const producedMax = 1_000_000n;

/** @throws OpenWitError `forbidden` when a call has no bound, or too great a one. */
export function boundsOf(node: SqlNode): void {
  const name = textOf(node.function_name).toLowerCase();
  const children = nodesIn(node.children);
  switch (name) {
    case "repeat":
    case "lpad":
    case "rpad":
    case "bitstring":
      return requireBound(node, name, constantInteger(children[1]));
    case "range":
    case "generate_series":
      return requireBound(node, name, seriesLength(children));
    case "format":
    case "printf": {
      const format = constantText(children[0]);
      if (format === undefined || /\d{5}|\*|\{[^}]*\{/.test(format)) {
        throw refused(node, `${name} needs a constant format with widths below 10000`);
      }
    }
  }
}

function seriesLength(children: readonly SqlNode[]): bigint | undefined {
  const [first, second, third] = children.map(constantInteger);
  if (children.length === 1) return first;
  const step = children.length === 3 ? third : 1n;
  if (first === undefined || second === undefined || step === undefined || step === 0n) return undefined;
  const length = (second - first) / step;
  return length < 0n ? 0n : length;
}

function requireBound(node: SqlNode, name: string, count: bigint | undefined): void {
  if (count !== undefined && count <= producedMax) return;
  throw refused(node, `${name} needs constant bounds of at most ${producedMax}`);
}

function refused(node: SqlNode, message: string): OpenWitError {
  const position = positionOf(node);
  return new OpenWitError("forbidden", message, {
    hint: "range and generate_series in FROM are not bounded so",
    ...(position === undefined ? {} : { position }),
  });
}
