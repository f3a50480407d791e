/** Grouping without a database: pairs of events that one fault makes, and pairs of different faults. */
import { assert, describe, it } from "@effect/vitest"
import {
  type Exception,
  type Frame,
  type Groupable,
  hashesOf,
  messageOf
} from "@hypermarket/observability/EventGrouping"
import * as ReleaseOrder from "@hypermarket/observability/ReleaseOrder"

const frame = (text: string): Frame => {
  // `function@file`, with `!` in front for a frame of a library, and `#line of code` at the end.
  const [, mark, name = "", rest = ""] = /^(!?)(.*?)@(.*)$/.exec(text) ?? []
  const [file = "", contextLine] = rest.split("#")
  return {
    function: name === "" ? undefined : name,
    filename: file === "" ? undefined : file,
    absPath: undefined,
    module: undefined,
    contextLine,
    inApp: mark !== "!"
  }
}

const exception = (type: string, ...frames: ReadonlyArray<string>): Exception => ({
  type,
  value: "",
  frames: frames.map(frame),
  isSynthetic: false
})

const event = (fields: Partial<Groupable>): Groupable => ({
  exceptions: [],
  frames: [],
  message: "",
  template: undefined,
  fingerprint: [],
  ...fields
})

const thrown = (...exceptions: ReadonlyArray<Exception>) => event({ exceptions })
const said = (message: string) => event({ message })

const joins = (a: Groupable, b: Groupable): boolean => {
  const hashes = new Set(hashesOf(a))
  return hashesOf(b).some((hash) => hashes.has(hash))
}

const same: ReadonlyArray<readonly [string, Groupable, Groupable]> = [
  [
    "two releases with other folders",
    thrown(exception("TypeError", "main@/srv/releases/41/src/main.js", "pay@/srv/releases/41/src/pay.js")),
    thrown(exception("TypeError", "main@/srv/releases/42/src/main.js", "pay@/srv/releases/42/src/pay.js"))
  ],
  [
    "two builds with hashed bundles",
    thrown(exception("TypeError", "render@https://cdn.example/assets/app.3f2a1b9c.js")),
    thrown(exception("TypeError", "render@https://cdn.example/assets/app.99ab01cd.js?v=2"))
  ],
  [
    "Chrome and Firefox",
    thrown(
      exception(
        "TypeError",
        "Object.onClick@https://shop.example/app.js",
        "new Cart@https://shop.example/app.js"
      )
    ),
    thrown(
      exception(
        "TypeError",
        "Cart/this.onClick@https://shop.example/app.js",
        "Cart@https://shop.example/app.js"
      )
    )
  ],
  [
    "Chrome and Safari, with an alias and an async mark",
    thrown(exception("RangeError", "async Basket.total [as sum]@/app.js")),
    thrown(exception("RangeError", "async*total@/app.js"))
  ],
  [
    "recursion of another depth",
    thrown(exception("RangeError", "walk@/a.js", "walk@/a.js", "leaf@/a.js")),
    thrown(exception("RangeError", "walk@/a.js", "walk@/a.js", "walk@/a.js", "walk@/a.js", "leaf@/a.js"))
  ],
  [
    "another version of a library in the stack",
    thrown(
      exception(
        "Error",
        "!next@/node_modules/router/a.js",
        "list@/src/list.js",
        "!query@/node_modules/pg/b.js"
      )
    ),
    thrown(
      exception(
        "Error",
        "!dispatch@/node_modules/router/c.js",
        "list@/src/list.js",
        "!run@/node_modules/pg/d.js"
      )
    )
  ],
  [
    "an error that is wrapped in itself twice and three times",
    thrown(
      exception("PaymentError", "pay@/pay.js"),
      exception("PaymentError", "pay@/pay.js"),
      exception("RetryError", "retry@/retry.js")
    ),
    thrown(
      exception("PaymentError", "pay@/pay.js"),
      exception("PaymentError", "pay@/pay.js"),
      exception("PaymentError", "pay@/pay.js"),
      exception("RetryError", "retry@/retry.js")
    )
  ],
  [
    "native frames of one browser",
    thrown(exception("Error", "map@[native code]", "price@/price.js")),
    thrown(exception("Error", "price@/price.js"))
  ],
  [
    "generated names",
    thrown(exception("Error", "lambda$12@/Order.java", "save$1@/Order.java")),
    thrown(exception("Error", "lambda$47@/Order.java", "save$3@/Order.java"))
  ],
  [
    "Windows and Linux paths",
    thrown(exception("Error", "load@C:\\shop\\src\\load.ts")),
    thrown(exception("Error", "load@/shop/src/load.ts"))
  ],
  [
    "numbers, ids, addresses and times in a message",
    said("Order 1042 of ann@example.com failed after 1.5 s at 2026-03-01T10:00:00Z"),
    said("Order 77 of bob@example.org failed after 20 ms at 2026-11-28T08:15:30Z")
  ],
  [
    "a UUID and a hash",
    said("No row 0199a000-0000-7000-8000-000000000000"),
    said("No row ffffffff-ffff-4fff-8fff-ffffffffffff")
  ],
  ["quoted values", said('Unknown coupon "SUMMER"'), said('Unknown coupon "WINTER"')],
  ["hosts and ports", said("connect ECONNREFUSED 10.0.0.1:5432"), said("connect ECONNREFUSED 10.7.0.9:6432")],
  ["query strings", said("GET https://a.example/x?id=1 failed"), said("GET https://b.example/y?id=2 failed")],
  [
    "an event with parameters and its template",
    event({ message: "Cart 12 is empty", template: "Cart %s is empty" }),
    event({ message: "Cart abc is empty", template: "Cart %s is empty" })
  ],
  [
    "one fingerprint of the SDK",
    event({ message: "a", fingerprint: ["payment", "timeout"] }),
    event({ message: "b", fingerprint: ["payment", "timeout"] })
  ],
  [
    "the default fingerprint",
    event({ message: "a" }),
    event({ message: "a", fingerprint: ["{{ default }}"] })
  ]
]

const different: ReadonlyArray<readonly [string, Groupable, Groupable]> = [
  [
    "two callers of one helper",
    thrown(exception("Error", "loadCart@/cart.js", "invariant@/invariant.js")),
    thrown(exception("Error", "loadUser@/user.js", "invariant@/invariant.js"))
  ],
  [
    "two types at one place",
    thrown(exception("TypeError", "parse@/parse.js")),
    thrown(exception("SyntaxError", "parse@/parse.js"))
  ],
  [
    "two causes of one wrapper",
    thrown(exception("TimeoutError", "query@/db.js"), exception("OrderError", "save@/order.js")),
    thrown(exception("DuplicateError", "insert@/db.js"), exception("OrderError", "save@/order.js"))
  ],
  [
    "two anonymous functions with other code",
    thrown(exception("Error", "<anonymous>@/a.js#items.map((item) => item.price)")),
    thrown(exception("Error", "<anonymous>@/a.js#user.address.street"))
  ],
  [
    "two functions of one file",
    thrown(exception("Error", "pay@/pay.js")),
    thrown(exception("Error", "refund@/pay.js"))
  ],
  ["two files", thrown(exception("Error", "save@/order.js")), thrown(exception("Error", "save@/cart.js"))],
  ["two messages", said("Cart is empty"), said("Cart is locked")],
  ["two types without a stack", thrown(exception("PaymentError")), thrown(exception("StockError"))],
  [
    "two messages through one logger",
    thrown({ ...exception("Error", "log@/log.js"), isSynthetic: true, value: "Disk is full" }),
    thrown({ ...exception("Error", "log@/log.js"), isSynthetic: true, value: "Queue is full" })
  ],
  [
    "a fingerprint that adds to the default",
    event({ message: "a", fingerprint: ["{{ default }}", "eu"] }),
    event({ message: "a", fingerprint: ["{{ default }}", "us"] })
  ]
]

describe("Grouping", () => {
  for (const [title, a, b] of same) {
    it(`one issue: ${title}`, () => assert.isTrue(joins(a, b), JSON.stringify([a, b])))
  }
  for (const [title, a, b] of different) {
    it(`separate issues: ${title}`, () => assert.isFalse(joins(a, b), JSON.stringify([a, b])))
  }

  it("an event without anything has a hash", () => {
    assert.lengthOf(hashesOf(event({})), 1)
  })
})

describe("A name of a million characters", () => {
  // Trying each bracket or sign in it, to the end and back, would take an hour.
  for (const unit of ["(", "[as ", "/", "?\n", ":\n"]) {
    it(`that repeats ${JSON.stringify(unit)} is grouped at once`, () => {
      const name = `${unit.repeat(1_000_000 / unit.length)}x`
      const frames = [
        { ...frame("f@a.js"), function: name },
        { ...frame("f@a.js"), filename: name },
        { ...frame("f@"), function: name, module: name }
      ]
      const [hash] = hashesOf(thrown({ ...exception("Error"), frames }))
      assert.match(hash ?? "", /^[0-9a-f]{32}$/)
    })
  }
})

describe("Rules of a project", () => {
  const timeout = (stack: string) => event({ exceptions: [exception("TimeoutError", stack)] })
  const rules = [
    { match: [{ field: "type" as const, pattern: "*out*Error" }], fingerprint: ["timeouts"] },
    { match: [{ field: "function" as const, pattern: "pay*" }], fingerprint: ["{{ default }}", "pay"] },
    {
      match: [{ field: "file" as const, pattern: "*/legacy/*" }],
      fingerprint: ["{{ type }}", "{{function}}"]
    }
  ]
  const hashes = (stack: string, type = "TimeoutError") =>
    hashesOf(event({ exceptions: [exception(type, stack)] }), rules)

  it("make one issue of events that the stack separates, before the fingerprint of the SDK", () => {
    const a = hashesOf({ ...timeout("main@a.js"), fingerprint: ["of the SDK"] }, rules)
    assert.deepStrictEqual(a, hashesOf(timeout("stock@b.js"), rules))
    assert.notDeepEqual(a, hashesOf(timeout("stock@b.js")))
  })

  it("keep the default grouping where the fingerprint has it, and are passed over where they do not match", () => {
    const [paid] = hashes("payOrder@/app/till.js", "TypeError")
    const [other] = hashes("payCard@/app/till.js", "TypeError")
    assert.notStrictEqual(paid, other)
    assert.deepStrictEqual(
      hashes("main@a.js", "TypeError"),
      hashesOf(event({ exceptions: [exception("TypeError", "main@a.js")] }))
    )
  })

  it("name parts of the event", () => {
    assert.deepStrictEqual(
      hashes("sum@/app/legacy/a.js", "RangeError"),
      hashes("sum@/app/legacy/b.js", "RangeError")
    )
    assert.notDeepEqual(
      hashes("sum@/app/legacy/a.js", "RangeError"),
      hashes("max@/app/legacy/a.js", "RangeError")
    )
  })

  it("of many stars are matched in linear time", () => {
    const pattern = "*a".repeat(100)
    const started = performance.now()
    hashesOf(event({ message: "a".repeat(99).padEnd(16_000, "b") }), [
      { match: [{ field: "message", pattern }], fingerprint: ["x"] }
    ])
    assert.isBelow(performance.now() - started, 1_000)
  })
})

describe("A message", () => {
  it("keeps its words, and names what it replaced", () => {
    assert.strictEqual(
      messageOf("Job 12 of ann@example.com at 0x1F took 3 ms: 'timeout' from 10.0.0.1"),
      "Job <number> of <email> at <hex> took <duration>: <quoted> from <ip>"
    )
  })

  it("of hostile length and repetition is read in linear time", () => {
    for (const text of ["a@".repeat(50_000), "1.".repeat(50_000), ":".repeat(50_000), '"'.repeat(50_000)]) {
      assert.isAtMost(messageOf(text).length, 3_000)
    }
  })
})

describe("Releases", () => {
  const order = (a: string, b: string) =>
    ReleaseOrder.compare({ name: a, firstSeenMillis: 2 }, { name: b, firstSeenMillis: 1 })

  it("are ordered by version, with one to four numbers and prereleases", () => {
    const ascending = [
      "shop@2.9.1.4",
      "shop@2.9.1.10",
      "shop@2.10",
      "shop@3.0.0-rc.1",
      "shop@3.0.0",
      "shop@3.0.0.1"
    ]
    for (const [index, name] of ascending.entries()) {
      for (const [other, later] of ascending.entries()) {
        assert.strictEqual(order(name, later), index < other ? -1 : index > other ? 1 : 0, `${name} ${later}`)
      }
    }
  })

  it("without a version, or of another package, are ordered by their first event", () => {
    assert.strictEqual(order("4f2a9c1", "9b3d001"), 1)
    assert.strictEqual(order("shop@1.0.0", "admin@9.0.0"), 1)
    assert.strictEqual(order("20261128", "20261127"), 1)
  })
})
