import { assert, describe, it, layer } from "@effect/vitest"
import * as Commerce from "@hypermarket/core/Commerce"
import type { Event } from "@hypermarket/core/Outbox"
import { NotificationMappings } from "@hypermarket/notifications/NotificationMappings"
import { faultOf, PayloadSchema } from "@hypermarket/notifications/NotificationPayloadSchema"
import { NewNotificationTemplate } from "@hypermarket/notifications/NotificationTemplate"
import { NotificationTemplates } from "@hypermarket/notifications/NotificationTemplates"
import * as PayloadCheck from "@hypermarket/notifications/internal/payloadCheck"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import * as Laboratory from "./Laboratory.ts"
import * as MailServer from "./MailServer.ts"

type Json = Schema.Json

const order: Json = {
  type: "object",
  required: ["order"],
  properties: {
    order: {
      type: "object",
      required: ["id", "lines"],
      additionalProperties: false,
      properties: {
        id: { type: "string", minLength: 1, maxLength: 3 },
        note: { type: ["string", "null"] },
        state: { enum: ["open", 1, null] },
        kind: { const: "web" },
        rate: { type: "number", minimum: 0, maximum: 1 },
        placedAt: { type: "string", format: "date-time" },
        day: { type: "string", format: "date" },
        mail: { type: "string", format: "email" },
        link: { type: "string", format: "uri" },
        lines: {
          type: "array",
          minItems: 1,
          maxItems: 2,
          items: { type: "object", required: ["count"], properties: { count: { type: "integer" } } }
        }
      }
    }
  }
}

const lines = [{ count: 1 }]
const good = { id: "o-1", lines }

const placesOf = (payload: Json): ReadonlyArray<string> =>
  PayloadCheck.faultsOf(order, payload).map(({ path }) => path.join("."))

/** A schema of `levels` objects in one another. */
const nested = (levels: number): Json =>
  levels === 1 ? { type: "object" } : { type: "object", properties: { a: nested(levels - 1) } }

describe("The schema of a payload", () => {
  it("names the field that does not fit", () => {
    const cases: ReadonlyArray<readonly [Json, ReadonlyArray<string>]> = [
      [good, []],
      [{ ...good, id: "👩👩👩", note: null, state: null, kind: "web", rate: 1 }, []],
      [{ lines }, ["id"]],
      [{ id: "o-1", lines: [] }, ["lines"]],
      [{ id: "o-1", lines: [...lines, ...lines, ...lines] }, ["lines"]],
      [{ id: "o-1", lines: [{ count: 1.5 }, {}] }, ["lines.0.count", "lines.1.count"]],
      [{ id: "o-1", lines: { count: 1 } }, ["lines"]],
      [{ ...good, id: "" }, ["id"]],
      [{ ...good, id: "o-10" }, ["id"]],
      [{ ...good, id: 17 }, ["id"]],
      [{ ...good, note: 1 }, ["note"]],
      [{ ...good, state: "1" }, ["state"]],
      [{ ...good, kind: "shop" }, ["kind"]],
      [{ ...good, rate: -0.1 }, ["rate"]],
      [{ ...good, rate: 1.1 }, ["rate"]],
      [{ ...good, more: 1 }, ["more"]],
      [JSON.parse('{ "id": "o-1", "lines": [{ "count": 1 }], "__proto__": {} }'), ["__proto__"]],
      [{ ...good, placedAt: "2026-02-28T23:59:59.5+01:00", day: "2024-02-29" }, []],
      [{ ...good, placedAt: "2026-02-30T00:00:00Z" }, ["placedAt"]],
      [{ ...good, placedAt: "2026-02-28" }, ["placedAt"]],
      [{ ...good, day: "2026-02-29" }, ["day"]],
      [{ ...good, mail: "a@shop.example", link: "https://shop.example/" }, []],
      [{ ...good, mail: "a@shop.example\r\nBcc: b@evil.example" }, ["mail"]],
      [{ ...good, link: "shop" }, ["link"]]
    ]
    for (const [value, places] of cases) {
      assert.deepStrictEqual(
        placesOf({ order: value }),
        places.map((place) => `payload.order.${place}`),
        JSON.stringify(value)
      )
    }
    assert.deepStrictEqual(placesOf({}), ["payload.order"])
    assert.deepStrictEqual(placesOf({ order: null }), ["payload.order"])
  })

  it("is refused for what it could not be bounded by, with the place", () => {
    const cases: ReadonlyArray<readonly [Json, string]> = [
      [{ type: "object", properties: { a: { $ref: "#" } } }, "properties.a.$ref"],
      [{ type: "object", $defs: {} }, "$defs"],
      [{ type: "object", allOf: [] }, "allOf"],
      [{ type: "object", properties: { a: { type: "string", pattern: "^(a+)+$" } } }, "properties.a.pattern"],
      [{ type: "object", properties: { a: true } }, "properties.a"],
      [{ type: "object", properties: [] }, "properties"],
      [{ type: "object", properties: { a: { items: [{ type: "string" }] } } }, "properties.a.items"],
      [{ type: "object", properties: { a: { enum: [] } } }, "properties.a.enum"],
      [
        { type: "object", properties: { a: { enum: Array.from({ length: 101 }, (_, n) => n) } } },
        "properties.a.enum"
      ],
      [{ type: "object", properties: { a: { enum: [{}] } } }, "properties.a.enum"],
      [{ type: "object", properties: { a: { type: [] } } }, "properties.a.type"],
      [{ type: "object", properties: { a: { type: "money" } } }, "properties.a.type"],
      [{ type: "object", properties: { a: { maxLength: -1 } } }, "properties.a.maxLength"],
      [{ type: "object", properties: { a: { minimum: "1" } } }, "properties.a.minimum"],
      [{ type: "object", properties: { a: { format: "regex" } } }, "properties.a.format"],
      [{ type: "object", additionalProperties: { type: "string" } }, "additionalProperties"],
      [{ type: "object", required: "a" }, "required"],
      [{ type: "array" }, "type"],
      [{}, "type"],
      [null, "type"],
      [nested(21), Array.from({ length: 20 }, () => "properties.a").join(".")],
      [
        {
          type: "object",
          properties: Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`p${n}`, {}]))
        },
        "properties.p499"
      ]
    ]
    for (const [schema, place] of cases) {
      assert.strictEqual(faultOf(schema)?.path.join("."), place, JSON.stringify(schema).slice(0, 200))
    }
    assert.isUndefined(faultOf(order))
    assert.isUndefined(faultOf(nested(20)))
  })

  it.effect(
    "is refused when it is nested a hundred thousand times or too large, and the stack does not end",
    () =>
      Effect.gen(function* () {
        const decode = Schema.decodeUnknownEffect(PayloadSchema)
        const depth = 100_000
        const bombs = [
          `${'{"type":"object","properties":{"a":'.repeat(depth)}{}${"}}".repeat(depth)}`,
          `${'{"type":"array","items":'.repeat(depth)}{}${"}".repeat(depth)}`,
          `{"type":"object","description":"${"x".repeat(32_768)}"}`
        ]
        for (const bomb of bombs) {
          const error = yield* Effect.flip(decode(JSON.parse(bomb)))
          assert.strictEqual(error._tag, "SchemaError")
        }
      })
  )

  it("fits and does not fit what another implementation of JSON Schema says, for 20,000 random pairs", () => {
    const ajv = new Ajv2020({ strict: false })
    let state = 23
    const draw = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    const oneOf = <A>(list: readonly [A, ...ReadonlyArray<A>]): A => list[draw(list.length)] ?? list[0]
    const scalar = (): Json => oneOf<Json>([0, 1, 2.5, -3, "", "ab", "👩👩👩", true, false, null])
    const value = (depth: number): Json => {
      const kind = depth === 0 ? 0 : draw(3)
      if (kind === 0) return scalar()
      if (kind === 1) return Array.from({ length: draw(4) }, () => value(depth - 1))
      return Object.fromEntries(
        Array.from({ length: draw(4) }, () => [oneOf(["a", "b", "c"]), value(depth - 1)])
      )
    }
    const rule = (depth: number): Record<string, Json> => {
      const types = ["string", "number", "integer", "boolean", "object", "array", "null"] as const
      const made: Record<string, Json> = {}
      const maybe = (name: string, one: () => Json) => {
        if (draw(3) === 0) made[name] = one()
      }
      maybe("type", () => (draw(2) === 0 ? oneOf(types) : Array.from(new Set([oneOf(types), oneOf(types)]))))
      if (draw(6) === 0) made["enum"] = Array.from(new Set([scalar(), scalar(), scalar(), scalar()]))
      if (draw(12) === 0) made["const"] = scalar()
      for (const name of ["minLength", "maxLength", "minItems", "maxItems"]) maybe(name, () => draw(4))
      for (const name of ["minimum", "maximum"]) maybe(name, () => draw(4) - 1)
      maybe("required", () => Array.from(new Set([oneOf(["a", "b", "c"])])))
      maybe("additionalProperties", () => draw(2) === 0)
      if (depth > 0) {
        maybe("items", () => rule(depth - 1))
        maybe("properties", () => ({ a: rule(depth - 1), b: rule(depth - 1) }))
      }
      return made
    }
    let fitting = 0
    for (let n = 0; n < 200; n++) {
      const schema = { ...rule(3), type: "object" }
      assert.isUndefined(faultOf(schema), JSON.stringify(schema))
      const isValid = ajv.compile(schema)
      for (let m = 0; m < 100; m++) {
        const payload = Object.fromEntries(["a", "b", "c"].slice(draw(4)).map((name) => [name, value(3)]))
        const fits = PayloadCheck.faultsOf(schema, payload).length === 0
        if (fits) fitting++
        assert.strictEqual(fits, isValid(payload), JSON.stringify({ schema, payload }))
      }
    }
    assert.isAbove(fitting, 4_000)
    assert.isBelow(fitting, 16_000)
  })

  it("costs one visit per value, however many faults a hostile payload has", () => {
    const deep = `${'{"a":'.repeat(99)}1${"}".repeat(99)}`
    assert.lengthOf(PayloadCheck.faultsOf(nested(20), JSON.parse(deep)), 0)
    const wide: Json = {
      type: "object",
      additionalProperties: false,
      properties: { list: { type: "array", items: { type: "integer", enum: [1, 2, 3] } } }
    }
    const faults = PayloadCheck.faultsOf(wide, {
      list: Array.from({ length: 30_000 }, () => "x"),
      ["n".repeat(60_000)]: 1
    })
    assert.lengthOf(faults, 20)
    assert.isBelow(JSON.stringify(faults).length, 5_000)
  })
})

const TestLayer = Laboratory.layer().pipe(Layer.provideMerge(MailServer.layer()))

layer(TestLayer, { excludeTestServices: true })("A template with a schema", (it) => {
  const publish = (template: string, payloadSchema?: Json) =>
    Effect.gen(function* () {
      const templates = yield* NotificationTemplates
      const { templateVersion } = yield* templates.draft({
        template,
        contents: [{ subject: "Order {{ order.id }}", text: "{{ order.lines[0].count }}" }],
        ...(payloadSchema === undefined ? {} : { payloadSchema })
      })
      return yield* templates.publish(template, templateVersion)
    })

  const rowsOf = (key: string) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      return yield* sql`
        SELECT state, reason, payload
          FROM hm_notification_trigger
         WHERE key = ${key}
      `
    })

  it.effect("refuses a trigger whose payload does not fit, with the fields, and queues nothing", () =>
    Effect.gen(function* () {
      const server = yield* MailServer.MailServer
      yield* Laboratory.seed
      yield* Laboratory.customer("fit")
      const published = yield* publish("fitted", order)
      assert.deepStrictEqual(published.payloadSchema, order)
      const template = { template: "fitted" }
      const unfit = { ...template, payload: { order: { id: "o-1", lines: [{ count: "2" }] } } }
      const error = yield* Effect.flip(Laboratory.trigger("fit-1", { customer: "fit" }, unfit))
      assert.strictEqual(error._tag, "NotificationPayloadInvalid")
      if (error._tag === "NotificationPayloadInvalid") {
        assert.deepStrictEqual(error.errors, [
          {
            path: ["payload", "order", "lines", 0, "count"],
            message: "Expected integer, got string"
          }
        ])
        assert.strictEqual(error.templateVersion, published.templateVersion)
      }
      assert.lengthOf(yield* rowsOf("fit-1"), 0)
      // The key is free: what was refused was not triggered.
      yield* Laboratory.trigger("fit-1", { customer: "fit" }, { ...template, payload: { order: good } })
      yield* Laboratory.work
      const mails = server.received.filter(({ to }) => to.includes("fit@mail.example"))
      assert.lengthOf(mails, 1)
    }).pipe(Laboratory.inAcme)
  )

  it.effect("changes nothing for what was triggered before it, repeated or waiting", () =>
    Effect.gen(function* () {
      const server = yield* MailServer.MailServer
      yield* Laboratory.seed
      yield* Laboratory.customer("early")
      yield* publish("tightened")
      const more = { template: "tightened", payload: { order: { ...good, more: 1 } } }
      const to = { customer: "early" }
      yield* Laboratory.trigger("early-1", to, more)
      yield* publish("tightened", order)
      assert.isTrue((yield* Laboratory.trigger("early-1", to, more)).duplicate)
      const other = yield* Effect.flip(
        Laboratory.trigger("early-1", to, { ...more, payload: { order: { ...good, more: 2 } } })
      )
      assert.strictEqual(other._tag, "NotificationPayloadInvalid")
      yield* Laboratory.work
      assert.lengthOf(
        server.received.filter(({ to }) => to.includes("early@mail.example")),
        1
      )
    }).pipe(Laboratory.inAcme)
  )

  it.effect("records a fact that does not fit as expired, and sends the facts beside it", () =>
    Effect.gen(function* () {
      const mappings = yield* NotificationMappings
      const server = yield* MailServer.MailServer
      yield* Laboratory.seed
      yield* Laboratory.customer("mapped")
      yield* publish("mapped", {
        type: "object",
        properties: {
          order: { type: "object", properties: { lines: { type: "array", items: { required: ["count"] } } } }
        }
      })
      yield* mappings.set({
        mapping: "placed",
        fact: "order.placed",
        template: "mapped",
        category: "orders"
      })
      const fact = (orderId: string, line: Json): Event => ({
        id: orderId,
        type: Commerce.typeOf("order.placed"),
        source: "/test",
        time: new Date(),
        data: { orderId, id: orderId, customerId: "mapped", lines: [line] }
      })
      yield* mappings.record([fact("bad", {}), fact("fine", { count: 3 })])
      yield* mappings.remove("placed")
      const rows = yield* rowsOf("placed/bad")
      assert.deepStrictEqual(rows, [
        { state: "expired", reason: "payload-invalid: payload.order.lines.0.count", payload: {} }
      ])
      yield* Laboratory.work
      const mails = yield* Effect.forEach(
        server.received.filter(({ to }) => to.includes("mapped@mail.example")),
        MailServer.read
      )
      assert.deepStrictEqual(
        mails.map(({ subject }) => subject),
        ["Order fine"]
      )
    }).pipe(Laboratory.inAcme)
  )

  it.effect("refuses a preview whose payload does not fit", () =>
    Effect.gen(function* () {
      const templates = yield* NotificationTemplates
      const { template, templateVersion } = yield* publish("previewed", order)
      const preview = yield* templates.preview(template, templateVersion, { payload: { order: good } })
      assert.strictEqual(preview.subject, "Order o-1")
      const error = yield* Effect.flip(
        templates.preview(template, templateVersion, { payload: { order: { id: "o-1" } } })
      )
      assert.strictEqual(error._tag, "NotificationPayloadInvalid")
    }).pipe(Laboratory.inAcme)
  )

  it.effect("takes no schema for the mail of the preference centre, whose payload is ours", () =>
    Effect.gen(function* () {
      const decode = Schema.decodeUnknownEffect(NewNotificationTemplate)
      const draft = { template: "preference-changes", contents: [{ subject: "s", text: "t" }] }
      yield* decode(draft)
      const error = yield* Effect.flip(decode({ ...draft, payloadSchema: order }))
      assert.include(error.message, "Expected none")
    })
  )
})
