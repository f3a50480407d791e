/** Values that break careless code: texts, numbers and other JSON. */

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** JSON that `JSON.stringify` does not write: numbers of many digits, depths beyond its stack. */
class Raw {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export const write = (value: unknown): string => {
  if (value instanceof Raw) return value.text
  if (Array.isArray(value)) return `[${value.map(write).join(",")}]`
  if (!isObject(value)) return JSON.stringify(value) ?? "null"
  const members = Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}:${write(member)}`)
  return `{${members.join(",")}}`
}

const hostileDepth = 10_000
const longLength = 10 * 1024 * 1024

/** Texts that are refused, stored or cut, but that may not break anything. */
export const texts: ReadonlyArray<string> = [
  "",
  "\u0000",
  "a\u0000b",
  "\ud800",
  "a\udc00",
  "\udbff\ud800",
  "\u0001\u001f\u007f",
  "\u202e\ufeff",
  "😀".repeat(300),
  "x".repeat(5_000),
  "ß".repeat(128),
  "İ".repeat(200),
  "../../etc/passwd",
  "%00",
  "'; DROP TABLE hm_tenant; --",
  "__proto__",
  "constructor",
  "null",
  "NaN",
  "-0",
  "1e400",
  "9223372036854775807",
  "9223372036854775808",
  "-9223372036854775809",
  "9".repeat(1_000),
  "0x7fffffff",
  "0000-01-01T00:00:00Z",
  "0001-01-01T00:00:00Z",
  "9999-12-31T23:59:59Z",
  "10000-01-01T00:00:00Z",
  "+275760-09-13T00:00:00Z",
  "-004800-01-01T00:00:00Z",
  "2026-02-31T00:00:00Z",
  "2026-02-31",
  "2026-99-99",
  "0000-00-00",
  "2026-03-10T12:00:00+25:00",
  "2026-03-10T12:00:00",
  "2026-03-10T23:59:60Z",
  "Mars/Olympus",
  "00000000-0000-0000-0000-000000000000",
  "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
  "*/0 * * * *",
  "99 99 99 99 99",
  "((((((((((",
  '"',
  "\\",
  "\n"
]

export const numbers: ReadonlyArray<unknown> = [
  0,
  -1,
  new Raw("-0"),
  new Raw("1e400"),
  new Raw("-1e400"),
  new Raw("5e-324"),
  new Raw("1e-400"),
  new Raw("9".repeat(30)),
  new Raw("9223372036854775808"),
  new Raw("-9223372036854775809"),
  2_147_483_648,
  -2_147_483_649,
  32_768,
  Number.MAX_SAFE_INTEGER,
  2 ** 53,
  0.5,
  1e21,
  1e308
]

export const others: ReadonlyArray<unknown> = [
  null,
  true,
  [],
  {},
  [[]],
  [null],
  { "": null },
  { "\u0000": 1 },
  { "\ud800": 1 },
  new Raw('{"__proto__":{"polluted":true}}'),
  new Raw('{"constructor":{"prototype":{"polluted":true}}}'),
  new Raw("[".repeat(hostileDepth) + "]".repeat(hostileDepth)),
  new Raw('{"a":'.repeat(hostileDepth) + "1" + "}".repeat(hostileDepth)),
  Array.from({ length: 5_000 }, () => 0)
]

/** Rare, because each costs as much as a hundred others. */
export const long = "x".repeat(longLength)
export const longShare = 1 / 200
