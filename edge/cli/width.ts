/**
 * Text in the columns of a terminal, where a letter of Chinese takes two and a combining accent none, and where a
 * sign that steers the terminal must not come from a record.
 */

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Columns that a text takes. */
export function textWidth(text: string): number {
  return isPlain(text) ? text.length : Bun.stringWidth(text);
}

/** At most so many columns; what is cut off is told by "…". */
export function cutText(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  if (width < 1) return "";
  if (isPlain(text)) return `${text.slice(0, width - 1)}…`;
  let kept = "", used = 0;
  for (const { segment } of segmenter.segment(text)) {
    const own = textWidth(segment);
    if (used + own > width - 1) break;
    kept += segment;
    used += own;
  }
  return `${kept}…`;
}

/** Where to break a text into lines of at most so many columns: after a space where there is one, else between letters. */
export function wrapText(text: string, width: number): { readonly start: number; readonly end: number }[] {
  if (textWidth(text) <= width) return [{ start: 0, end: text.length }];
  const lines: { start: number; end: number }[] = [];
  let start = 0, used = 0, afterSpace = -1;
  for (const { segment, index } of segmenter.segment(text)) {
    const own = textWidth(segment);
    if (used + own > width && index > start) {
      if (segment === " ") { // it stands for the end of the line
        lines.push({ start, end: index });
        [start, used, afterSpace] = [index + 1, 0, -1];
        continue;
      }
      const end = afterSpace > start ? afterSpace : index;
      lines.push({ start, end });
      start = end;
      used = textWidth(text.slice(start, index));
      afterSpace = -1;
    }
    used += own;
    if (segment === " ") afterSpace = index + 1;
  }
  return [...lines, { start, end: text.length }];
}

export function padEndTo(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - textWidth(text)));
}

export function padStartTo(text: string, width: number): string {
  return " ".repeat(Math.max(0, width - textWidth(text))) + text;
}

/** A text on one line, without signs that steer a terminal. */
export function onOneLine(text: string): string {
  return text.replaceAll(steering, (signs) => /^[\r\n\t]+$/.test(signs) ? " " : "·");
}

// deno-lint-ignore no-control-regex -- these are meant
const steering = /[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g;

/** Printable ASCII takes a column a character. */
function isPlain(text: string): boolean {
  return /^[ -~]*$/.test(text);
}

/** Columns of a stream's terminal; of what is none, so many that long values can be told. */
export function columnsOf(stream: { readonly columns?: number }, env: NodeJS.ProcessEnv): number {
  const named = Number(env.COLUMNS);
  return stream.columns || (named > 0 ? named : 160);
}
