/**
 * Rules that take as long as possible to parse, to check or to evaluate, for the test of their bounds and for the bench of their
 * times. They read `subject`, `result`, `at` and the list `words`.
 */

/** Returns a text several times. */
export const repeat = (count: number, text: string, between = "") =>
  Array.from({ length: count }, () => text).join(between)
const pairs = (body: string) => `words.all(x, words.all(y, ${body}))`

/** Expressions that take as long as possible to parse, to check or to evaluate. */
export const bombs: Readonly<Record<string, string>> = {
  "4 KiB of ||": repeat(340, "result == ''", " || ").slice(0, 4_093) + "''",
  "240 times ||": repeat(240, "false", "||"),
  "a literal of 4 KiB": `subject == "${repeat(4_000, "a")}"`,
  "escaped characters": `subject == "${repeat(660, String.raw`\u0041`)}"`,
  "brackets in brackets": repeat(14, `${repeat(50, "(")}true${repeat(50, ")")}`, " || "),
  "brackets too deep": `${repeat(51, "(")}true${repeat(51, ")")}`,
  "lists in lists": `${repeat(50, "[")}${repeat(50, "]")} == []`,
  "maps in maps": `${repeat(49, "{1:")}1${repeat(49, "}")} == {}`,
  "signs before signs": `${repeat(98, "-")}1 == 1`,
  conditionals: `${repeat(90, "true?true:")}true`,
  "a pattern that backtracks": 'subject.matches("(a+)+$")',
  "alternatives that overlap": 'words.exists(x, x.matches("(1|11)*b"))',
  "repeated repetitions": 'subject.matches("((((a{1,30}){1,30}){1,30}){1,30})")',
  "a long pattern": `subject.matches("${repeat(5, "(a?){200}")}${repeat(5, "a{200}")}")`,
  "a pattern of the signal": "words.all(x, subject.matches(x))",
  "loops in loops":
    "words.all(a, words.all(b, words.all(c, words.all(d, words.all(e, a != '' || b != '')))))",
  "a loop with a long body": pairs(repeat(100, "x != ''", " && ")),
  "text that doubles": `[subject].map(a, a + a + a + a).map(b, b + b + b + b).exists(c, c.size() > 1)`,
  "lists that double": "words.map(a, words).map(b, words + words).exists(c, c.size() > 10000)",
  "equal lists": pairs("words == words"),
  "equal maps": pairs("{x: words} == {x: words}"),
  "a list searched": pairs("x in words"),
  "text in text": pairs("!x.contains(y + '!')"),
  "a long text in text": `words.all(x, !subject.contains("${repeat(1_000, "1")}2${repeat(1_000, "1")}"))`,
  "text in order": pairs("x < y || true"),
  "sizes of text": pairs("size(subject) > 0"),
  "text as bytes": pairs("bytes(subject) != b'x'"),
  "text as numbers": pairs("double(subject) > 1.0 || true"),
  "instants as text": pairs("string(at) != ''"),
  "text as instants": pairs("timestamp('2020-01-01T00:00:00Z') <= at || true"),
  "fields in a time zone": pairs("at.getHours('America/New_York') >= 0"),
  "fields in no time zone": pairs("at.getHours(x) >= 0 || true")
}

/** Those that are refused, by the bound that their message names. All others end. */
export const refusals: Readonly<Record<string, string>> = {
  "4 KiB of ||": "Expected at most 500 nodes",
  "brackets too deep": "Expected at most 50 brackets inside each other",
  "repeated repetitions":
    "Expected a pattern in RE2's syntax: error parsing regexp: invalid repeat count: `{1,30}`",
  "a long pattern": "Expected a pattern of at most 2000 instructions: it repeats too much",
  "a pattern of the signal": "Expected the pattern as a literal"
}

/** As large as a signal may be. */
export const subject = repeat(60_000, "1")

/** As long as a list of a signal may be. */
export const words = Array.from({ length: 1_000 }, (_, index) => `${repeat(50, "1")}${index}`)
