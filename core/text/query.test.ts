import { expect, test } from "bun:test";
import { OpenWitError } from "../error.ts";
import { type MatchQuery, parseMatchQuery, queryLengthMax, queryTermsMax } from "./query.ts";

/** A query as it was understood: fields as `name=value`, quotes and stars as they came. */
function shown(query: MatchQuery): string {
  switch (query.kind) {
    case "and":
    case "or":
      return `(${query.of.map(shown).join(query.kind === "and" ? " & " : " | ")})`;
    case "not":
      return `!${shown(query.of)}`;
    default: {
      const { text, isQuoted, isPrefix } = query.pattern;
      const field = query.kind === "field" ? `${query.field}=` : "";
      return `${field}${isQuoted ? `"${text}"` : text}${isPrefix ? "*" : ""}`;
    }
  }
}

test.each([
  ["refused", "refused"],
  ["  connection   refused ", "(connection & refused)"],
  ["a AND b OR c d", "((a & b) | (c & d))"],
  ["a (b OR c)", "(a & (b | c))"],
  ["NOT a", "!a"],
  ["-a b", "(!a & b)"],
  ["a -(b c)", "(a & !(b & c))"],
  ["NOT NOT a", "a"],
  ["NOT -a", "a"],
  ["-NOT", "!NOT"],
  ["a and or not b", "(a & and & or & not & b)"],
  ["ORDER ANDROID NOTED", "(ORDER & ANDROID & NOTED)"],
  ['"connection refused"', '"connection refused"'],
  ['"say \\"no\\""', '"say "no""'],
  ['a"b c"d', '(a & "b c" & d)'],
  ["time*", "time*"],
  ['"connection ref"*', '"connection ref"*'],
  ["2\\*3", "2*3"],
  ["\\OR", "OR"],
  ["\\-1", "-1"],
  ["--since", "--since"],
  ["a-b -", "(a-b & -)"],
  ["foo(bar)", "(foo & bar)"],
  ["service:checkout", "service=checkout"],
  ['http.route:"/a b"', 'http.route="/a b"'],
  ["k8s.pod.name:web-*", "k8s.pod.name=web-*"],
  ["-level:debug", "!level=debug"],
  ['a:""', 'a=""'],
  ["a:*", "a=*"],
  ["a\\ b:c", "a b=c"],
  ["a:b:c", "a=b:c"],
  ["größe:5", "größe=5"],
  // colons that begin no value
  ["https://example.org/x", "https://example.org/x"],
  ["http.route:/orders", "http.route=/orders"],
  ["10.0.0.1:8080", "10.0.0.1:8080"],
  ["std::move", "std::move"],
  ["error: failed", "(error: & failed)"],
  ["a\\:b", "a:b"],
  ["12:30:45", "12:30:45"],
  ["\\", "\\"],
  ["数据库 😀*", "(数据库 & 😀*)"],
])("%j is understood as %s", (text, expected) => {
  expect(shown(parseMatchQuery(text))).toBe(expected);
});

test.each(
  [
    ["", 0, "empty"],
    ["   ", 0, "empty"],
    ["é (a", 3, '"(" is not closed'],
    ["a)", 1, '")" has no "("'],
    ["()", 1, "a term is missing"],
    ["a OR", 4, "a term is missing at the end"],
    ["a AND OR b", 6, "OR has no term before it"],
    ["OR b", 0, "OR has no term before it"],
    ["NOT", 3, "a term is missing at the end"],
    ['a "b', 2, "the quote is not closed"],
    ["*", 0, '"*" stands alone'],
    ["a*b", 1, '"*" stands inside a term'],
    ['""', 0, "nothing between the quotes"],
    ["(".repeat(60) + "a", 50, "more than 50 parentheses"],
    ["a ".repeat(queryTermsMax + 1), 2 * queryTermsMax, `more than ${queryTermsMax} terms`],
    ["a".repeat(queryLengthMax + 1), undefined, "characters"],
  ] as const,
)("%j is refused at byte %p: %s", (text, position, message) => {
  let error: unknown;
  try {
    parseMatchQuery(text);
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(OpenWitError);
  const { code, position: found, message: said } = error as OpenWitError;
  expect({ code, position: found }).toEqual({ code: "invalid_argument", position });
  expect(said).toContain(message);
});
