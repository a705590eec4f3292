/** Whether a text meets an index predicate, read as plainly as can be; and a predicate as a line of text. */
import type { IndexPredicate } from "../../core/index/predicate.ts";
import { wordsOf } from "../../core/text/word.ts";

export function meets(predicate: IndexPredicate, text: string): boolean {
  switch (predicate.kind) {
    case "all":
      return true;
    case "none":
      return false;
    case "and":
      return predicate.of.every((each) => meets(each, text));
    case "or":
      return predicate.of.some((each) => meets(each, text));
    case "word":
      return wordsOf(text).includes(predicate.word);
    case "part":
      return wordsOf(text).some((word) =>
        predicate.atStart
          ? word.startsWith(predicate.text)
          : predicate.atEnd
          ? word.endsWith(predicate.text)
          : word.includes(predicate.text)
      );
    case "equal":
    case "level":
    case "folded":
    case "pair":
      throw new Error("a text alone has no fields");
  }
}

/** `word` is whole, `~part~` open at both ends, `field=value`, `field~value` in any case, `service:field>=17` a pair. */
export function shown(predicate: IndexPredicate): string {
  switch (predicate.kind) {
    case "and":
    case "or":
      return `(${predicate.of.map(shown).join(predicate.kind === "and" ? " & " : " | ")})`;
    case "word":
      return predicate.word;
    case "part":
      return `${predicate.atStart ? "" : "~"}${predicate.text}${predicate.atEnd ? "" : "~"}`;
    case "equal":
      return `${predicate.field}=${predicate.value}`;
    case "level":
      return `${predicate.field}>=${predicate.least}`;
    case "folded":
      return `${predicate.field}~${predicate.value}`;
    case "pair":
      return `${predicate.service}:${shown(predicate.with)}`;
    default:
      return predicate.kind;
  }
}
