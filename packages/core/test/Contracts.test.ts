import { assert, describe, it, layer } from "@effect/vitest"
import * as Actor from "@hypermarket/core/Actor"
import * as Audit from "@hypermarket/core/Audit"
import { FeatureSource } from "@hypermarket/core/FeatureSource"
import * as Limits from "@hypermarket/core/Limits"
import * as Policy from "@hypermarket/core/Policy"
import * as SubjectData from "@hypermarket/core/SubjectData"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { TestAudit } from "@hypermarket/testing/TestAudit"
import * as TestLimits from "@hypermarket/testing/TestLimits"
import * as TestPolicy from "@hypermarket/testing/TestPolicy"
import { Context, Effect, Logger, Option, Schema, Stream } from "effect"
import { HttpApiEndpoint } from "effect/http-api"

const tenantId = TenantId.make("acme")
const address = { text: "192.0.2.1", bucket: "192.0.2.1" }
const request: Limits.Request = {
  tenantId,
  plan: Option.none(),
  keyId: "k1",
  route: "events.publish",
  address,
  cost: 1
}

describe("Actor", () => {
  it.effect("is the process by default, and another where it is provided", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Actor.Actor, { type: "process", id: "hypermarket" })
      const named = yield* Effect.provideService(Actor.Actor, Actor.Actor, Actor.process("shop"))
      assert.deepStrictEqual(named, { type: "process", id: "shop" })
    })
  )

  it("refuses an id that is empty or over 200 characters, and types it does not have", () => {
    const accepts = (value: unknown) => Option.isSome(Schema.decodeUnknownOption(Actor.Schema)(value))
    assert.isTrue(accepts({ type: "key", id: "k1", onBehalfOf: "ann", address: "::1", requestId: "r1" }))
    for (const wrong of [
      { type: "key", id: "" },
      { type: "key", id: "x".repeat(201) },
      { type: "robot", id: "r" }
    ]) {
      assert.isFalse(accepts(wrong), JSON.stringify(wrong))
    }
  })
})

describe("Audit", () => {
  it.effect("records nothing by default", () =>
    Audit.record({ action: "flag.published", target: { type: "flag", id: "f1" } }).pipe(provide(tenantId))
  )

  it("is annotated on an endpoint by action or by the reason for none", () => {
    const endpoint = HttpApiEndpoint.post("publish", "/v1/flags/:key/publish")
    const published = endpoint.annotate(Audit.Audited, "flag.published")
    assert.strictEqual(Context.get(published.annotations, Audit.Audited), "flag.published")
    assert.isUndefined(Context.get(published.annotations, Audit.NotAudited))
    assert.isUndefined(Context.get(endpoint.annotations, Audit.Audited))
  })
})

layer(TestAudit.layer)("TestAudit", (it) => {
  it.effect("keeps each entry with its actor and tenant", () =>
    Effect.gen(function* () {
      const audit = yield* TestAudit
      const entry = { action: "flag.published", target: { type: "flag", id: "f1" }, after: { on: true } }
      const actor = { type: "user", id: "ann" } as const
      yield* Audit.record(entry).pipe(provide(tenantId), Effect.provideService(Actor.Actor, actor))
      assert.deepStrictEqual(yield* audit.entries, [{ ...entry, actor, tenantId: "acme" }])
    })
  )
})

describe("Policy", () => {
  it.effect("allows by default, and writes so to the log once", () =>
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      const logger = Logger.make(({ message }) => void lines.push(message))
      const question = { action: "product.sell", region: "DE", attributes: {} }
      yield* Effect.gen(function* () {
        for (let n = 0; n < 3; n++) {
          const decisions = [
            yield* Policy.decide({ ...question, tenantId }),
            yield* provide(tenantId)(Policy.decideNow(question))
          ]
          for (const { because, effect, revision, undetermined } of decisions) {
            assert.deepStrictEqual([effect, because, undetermined, revision], ["allow", [], false, 0n])
          }
        }
      }).pipe(Effect.provide(Logger.layer([logger])))
      assert.lengthOf(lines, 1)
      assert.match(String(lines[0]), /no policy layer/)
    })
  )
})

const denyTobacco = TestPolicy.layer(({ attributes }) =>
  attributes["category"] === "tobacco" ? { effect: "deny", because: ["p1"] } : {}
)

layer(denyTobacco)("TestPolicy", (it) => {
  it.effect("decides by its function in both ways", () =>
    Effect.gen(function* () {
      const question = { action: "product.sell", attributes: { category: "tobacco" } }
      assert.strictEqual((yield* Policy.decide({ ...question, tenantId })).effect, "deny")
      assert.deepStrictEqual((yield* provide(tenantId)(Policy.decideNow(question))).because, ["p1"])
      const other = yield* Policy.decide({ action: "product.sell", attributes: {}, tenantId })
      assert.deepStrictEqual([other.effect, other.revision], ["allow", 1n])
    })
  )
})

describe("Limits", () => {
  it.effect("allows by default, without headers", () =>
    Effect.gen(function* () {
      const limits = yield* Limits.Limits
      assert.deepStrictEqual(yield* limits.check(request), { allowed: true, headers: {} })
      assert.deepStrictEqual(limits.checkAddress(address), { allowed: true, headers: {} })
    })
  )
})

layer(TestLimits.layer({ check: ({ cost }) => (cost > 1 ? TestLimits.refused(3) : Limits.allowed) }))(
  "TestLimits",
  (it) => {
    it.effect("refuses by its function, and keeps the default for the rest", () =>
      Effect.gen(function* () {
        const limits = yield* Limits.Limits
        assert.isTrue((yield* limits.check(request)).allowed)
        const { headers, problem } = yield* limits.check({ ...request, cost: 2 })
        assert.deepStrictEqual([headers["retry-after"], problem?.status], ["3", 429])
        assert.isTrue(limits.checkAddress(address).allowed)
      })
    )
  }
)

describe("FeatureSource", () => {
  it.effect("has no features by default", () =>
    Effect.gen(function* () {
      const source = yield* FeatureSource
      assert.deepStrictEqual(yield* source.features("production"), [])
      assert.strictEqual(yield* source.revision, 0n)
    }).pipe(provide(tenantId))
  )
})

describe("SubjectData", () => {
  const subject = {
    kind: "customer",
    id: "c1",
    identifiers: [{ kind: "email", value: "ann@example.com" }]
  } as const

  it("names a person by kind, id and at most 1,000 identifiers", () => {
    const accepts = (value: unknown) => Option.isSome(Schema.decodeUnknownOption(SubjectData.Subject)(value))
    assert.isTrue(accepts(subject))
    const identifiers = Array.from({ length: 1_001 }, () => subject.identifiers[0])
    for (const wrong of [
      { ...subject, kind: "person" },
      { ...subject, id: "" },
      { ...subject, identifiers: [{ kind: "E-Mail", value: "x" }] },
      { ...subject, identifiers }
    ]) {
      assert.isFalse(accepts(wrong), JSON.stringify(wrong).slice(0, 100))
    }
  })

  it("finds a name in texts where nothing touches it, however JSON spells it, and never a part of another name", () => {
    const isNamed = SubjectData.tester({
      kind: "customer",
      id: "c-42",
      identifiers: [
        { kind: "email", value: "Zoë.b@example.com" },
        { kind: "account", value: "77" }
      ]
    })
    const found = [
      "customer.changed/c-42/1",
      '{"id":"c-42"}',
      "Dear\\nc-42",
      '{"account":"77"}',
      "77",
      "Mail to zoë.B@example.com.",
      String.raw`{"email":"Zo\u00eb.b@example.com"}`
    ]
    const others = [
      "c-421",
      "abc-42",
      "c-42-1",
      '{"n":77}',
      "o-77",
      "x.zoë.b@example.com",
      "zoë.b@example.com.au"
    ]
    for (const text of found) assert.isTrue(isNamed(text), text)
    for (const text of others) assert.isFalse(isNamed(text), text)
  })

  it.effect("finds, exports and erases nothing in a domain without persons", () =>
    Effect.gen(function* () {
      const { discover, erase, eraseTenant, export: exported } = SubjectData.none
      assert.deepStrictEqual(yield* discover(subject), [])
      assert.deepStrictEqual(yield* Stream.runCollect(exported(subject)), [])
      assert.deepStrictEqual(yield* erase(subject), { rows: 0, kept: [] })
      assert.deepStrictEqual(yield* eraseTenant(), { rows: 0, kept: [] })
    }).pipe(provide(tenantId))
  )
})
