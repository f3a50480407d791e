import { assert, describe, it } from "@effect/vitest"
import { Scrubber } from "@hypermarket/observability/EventScrubber"

const secret = "s3cr3t-hunter22"

const scrubbed = (event: unknown, keepsAddresses = false): string => {
  const scrubber = new Scrubber({ keepsAddresses })
  scrubber.collect(event)
  return JSON.stringify(scrubber.clean(event))
}

const planted: ReadonlyArray<readonly [string, unknown]> = [
  ["a header", { request: { headers: { Authorization: `Bearer ${secret}` } } }],
  ["a header in a list of pairs", { request: { headers: [["X-Api-Key", secret]] } }],
  ["a header as name and value", { headers: [{ name: "x-auth-token", value: secret }] }],
  ["a cookie", { request: { cookies: `theme=dark; sessionid=${secret}` } }],
  ["a cookie by name", { request: { cookies: { sid: secret } } }],
  ["a breadcrumb", { breadcrumbs: [{ data: { url: `/login?password=${secret}&next=/` } }] }],
  ["a variable of a frame", { frames: [{ vars: { user_password: secret } }] }],
  ["a nested variable", { frames: [{ vars: { credentials: { inner: [secret] } } }] }],
  ["a URL", { request: { url: `https://shop:${secret}@db.example/orders` } }],
  ["an encoded query", { request: { query_string: `token%3D${secret}` } }],
  ["a message", { message: `login failed, password: ${secret}` }],
  ["a message in JSON", { message: `sent {"apiKey":"${secret}"}` }],
  [
    "an escaped JSON text",
    { extra: { body: JSON.stringify({ body: JSON.stringify({ client_secret: secret }) }) } }
  ],
  ["the name of a field", { request: { headers: { cookie: `a=${secret}` } }, extra: { [secret]: 1 } }],
  [
    "another place than its field",
    { user: { token: secret }, message: `cannot find ${secret} in the cache` }
  ],
  ["another place, URL-encoded", { user: { token: "a/b c&d=e+f" }, message: "GET /x?a%2Fb%20c%26d%3De%2Bf" }]
]

describe("Scrubbing", () => {
  for (const [title, event] of planted) {
    it(`removes a secret from ${title}`, () => {
      const text = scrubbed(event)
      assert.notInclude(text, secret)
      assert.notInclude(text, "a%2Fb%20c")
      assert.include(text, "[scrubbed]")
    })
  }

  it("removes what has the form of a secret", () => {
    const forms = [
      `hm_${"0".repeat(32)}_${"A".repeat(43)}`,
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijk",
      "sk_live_abcdefghijklmnop",
      "AKIAABCDEFGHIJKLMNOP",
      "4111 1111 1111 1111",
      "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----"
    ]
    for (const form of forms) assert.notInclude(scrubbed({ message: `it was ${form}.` }), form)
  })

  it("removes a secret that is named after a text with it was read", () => {
    const scrubber = new Scrubber({ keepsAddresses: false })
    scrubber.collect("order 77-plum-88 failed")
    assert.strictEqual(scrubber.text("77-plum-88"), "77-plum-88")
    assert.strictEqual(scrubber.text("order 77-plum-88 failed"), "order 77-plum-88 failed")
    scrubber.collect({ passphrase: "77-plum-88" })
    assert.strictEqual(scrubber.text("77-plum-88"), "[scrubbed]")
    assert.strictEqual(scrubber.text("order 77-plum-88 failed"), "order [scrubbed] failed")
  })

  it("removes the number of a card from a text without another secret", () => {
    const card = "5500-0055-5555-5559"
    const long = `${"a long line of a log ".repeat(9)} ${card}`
    assert.notInclude(scrubbed({ message: `paid by ${card}`, extra: { line: long } }), card)
  })

  it("keeps what is no secret", () => {
    const event = {
      message: "Order 1042 of the author failed: monkey=business",
      request: { url: "https://shop.example/orders?id=1042&page=2", headers: { accept: "text/html" } },
      tags: { order_id: "o-1042", keyboard: "de" }
    }
    assert.deepStrictEqual(JSON.parse(scrubbed(event)), event)
  })

  it("removes the numbers of cards, and keeps ids whose digits would pass for one", () => {
    const event = {
      message: "Card 4111 1111-1111 1111 is declined",
      debug_meta: { images: [{ debug_id: "00000002-0000-4000-8000-000000000000" }] },
      extra: { id: "of 41111111-1111-4111-8111-1111abcd1111" }
    }
    assert.deepStrictEqual(JSON.parse(scrubbed(event)), {
      ...event,
      message: "Card [scrubbed] is declined"
    })
  })

  it("removes addresses of users unless the project keeps them", () => {
    const event = {
      user: { id: "u1", ip_address: "203.0.113.7" },
      request: { env: { REMOTE_ADDR: "203.0.113.7" } }
    }
    assert.notInclude(scrubbed(event), "203.0.113.7")
    assert.include(scrubbed(event, true), "203.0.113.7")
  })

  it("bounds depth, members and texts, and keeps text storable", () => {
    let deep: unknown = 1
    for (let level = 0; level < 200; level++) deep = { deep }
    const text = scrubbed({
      deep,
      wide: Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`k${index}`, 1])),
      long: "x".repeat(100_000),
      odd: `a\u0000b\ud800`
    })
    assert.isAtMost(text.length, 40_000)
    assert.include(text, "[too deep]")
    assert.notInclude(text, String.raw`\u0000`)
    assert.notInclude(text, String.raw`\ud800`)
  })

  it("removes the longer of two secrets that begin alike", () => {
    const text = scrubbed({
      a: { password: "abcdef" },
      b: { password: "abcdef-gh" },
      c: "x abcdef-gh abcdef y"
    })
    assert.include(text, '"c":"x [scrubbed] [scrubbed] y"')
  })

  it("removes a token that follows a hyphen, and a long one", () => {
    const long = `eyJ${"a".repeat(4_000)}.${"b".repeat(50)}.c`
    for (const token of ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig", long]) {
      assert.strictEqual(scrubbed({ c: `x ${token}` }), '{"c":"x [scrubbed]"}')
    }
    assert.strictEqual(scrubbed({ c: "id-eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.s" }), '{"c":"id-[scrubbed]"}')
  })

  const secrets = Object.fromEntries(
    Array.from({ length: 200 }, (_, index) => [`password${index}`, `secret value ${index} ü`])
  )
  // Each text differs: one that recurs is read once.
  const repeated = (unit: string) =>
    Array.from({ length: 8 }, (_, index) => `${index} ${unit.repeat(Math.ceil(16_384 / unit.length))}`)
  const lists = (text: string) =>
    Array.from({ length: 130 }, () =>
      Array.from({ length: Math.floor(1_000 / (text.length + 3)) }, () => text)
    )

  /** The shortest of three turns, in microseconds of processor time. */
  const costOf = (event: unknown): number =>
    Math.min(
      ...[1, 2, 3].map(() => {
        const before = process.cpuUsage()
        scrubbed(event)
        const { system, user } = process.cpuUsage(before)
        return system + user
      })
    )

  // Ratios of the same process: where the work grew with the square of a length, or with the number of secrets, these were 250 to 500.
  it("takes hardly more of the processor for a hostile event than for another of its size", () => {
    // Each form is looked for in it, and none is found.
    const plain = costOf(repeated("token word "))
    const hostile = [
      repeated("-eyJaaaaa"),
      [secrets, lists("a")],
      [secrets, lists("secret v")],
      repeated("://a:"),
      repeated("-----BEGIN A"),
      repeated('password:"')
    ]
    for (const event of hostile) {
      assert.isBelow(costOf(event) / plain, 100, JSON.stringify(event).slice(-60))
    }
  })
})
