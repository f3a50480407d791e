import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { connect } from "@hypermarket/core/Promises"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect } from "effect"

const servedIn = (country: string) => ({
  isEnabled: true,
  otherwise: { variant: "off" },
  rules: [
    {
      ruleId: "country",
      condition: { attribute: "country", operator: "in" as const, values: [country] },
      serve: { variant: "on" }
    }
  ]
})

const always = { isEnabled: true, rules: [], otherwise: { variant: "on" } }

/** A program with its own connection, as another process has. */
const program = Effect.flatMap(TestDatabase.TestDatabase, ({ url }) =>
  Effect.acquireRelease(
    Effect.promise(() => connect({ connectionString: url, domains: [PlatformDomain], pool: { max: 2 } })),
    (hm) => Effect.promise(() => hm.close())
  )
)

layer(TestDatabase.layer(CoreDomain.migrations, PlatformDomain.domain.migrations), {
  excludeTestServices: true
})("flags.open", (it) => {
  it.effect("evaluates synchronously, and follows a change that another process has made", () =>
    Effect.gen(function* () {
      const writer = (yield* program).tenant("acme")
      const reader = (yield* program).tenant("acme")
      yield* Effect.promise(async () => {
        await writer.flags.create({
          flagKey: "checkout",
          kind: "boolean",
          environments: { live: servedIn("PT"), test: always }
        })
        const flags = await reader.flags.open({ environment: "live" })
        const maria = { targetingKey: "maria", country: "PT" }
        assert.isTrue(flags.boolean("checkout", false, maria))
        assert.isFalse(flags.boolean("checkout", true, { targetingKey: "jean", country: "FR" }))
        const { decided, outcome } = flags.explain("checkout", { country: "FR" }).rules[0] ?? {}
        assert.deepStrictEqual([decided, outcome], [false, "condition"])
        const before = flags.revision()
        const seen = new Promise<readonly [number, ReadonlyArray<string>]>((resolve) => {
          flags.onChange((revision, keys) => {
            // It is already in force when the listener is called.
            if (flags.boolean("checkout", false, { country: "FR" })) resolve([revision, keys])
          })
        })
        await writer.flags.setEnvironment("checkout", "live", 1, servedIn("FR"))
        assert.deepStrictEqual(await seen, [before + 1, ["checkout"]])
        assert.isFalse(flags.boolean("checkout", false, maria))
        assert.isAtLeast(flags.ageMillis(), 0)
      })
    })
  )

  it.effect("names a flag as changed when a segment or a flag that it needs has changed", () =>
    Effect.gen(function* () {
      const shop = (yield* program).tenant("names")
      yield* Effect.promise(async () => {
        await shop.segments.create({
          segmentKey: "iberia",
          condition: { attribute: "country", operator: "in", values: ["ES"] }
        })
        const rule = { ruleId: "r", serve: { variant: "on" } }
        const otherwise = { variant: "off" }
        const environment = { isEnabled: true, otherwise }
        await shop.flags.create({
          flagKey: "base",
          kind: "boolean",
          environments: { live: { ...environment, rules: [{ ...rule, condition: { segment: "iberia" } }] } }
        })
        const prerequisites = [{ flag: "base", variants: ["on"] }]
        await shop.flags.create({
          flagKey: "needs-base",
          kind: "boolean",
          environments: { live: { ...environment, rules: [{ ...rule, prerequisites }] } }
        })
        await shop.flags.create({ flagKey: "apart", kind: "boolean", environments: { live: always } })
        const flags = await shop.flags.open({ environment: "live" })
        const changes: Array<ReadonlyArray<string>> = []
        const next = () =>
          new Promise<ReadonlyArray<string>>((resolve) => {
            const stop = flags.onChange((_, keys) => {
              stop()
              resolve(keys)
            })
          })
        const broken = flags.onChange(() => {
          throw new RangeError("a mistake of the program")
        })
        flags.onChange((_, keys) => changes.push(keys))
        const first = next()
        await shop.segments.change("iberia", 1, {
          condition: { attribute: "country", operator: "in", values: ["ES", "PT"] }
        })
        assert.deepStrictEqual(await first, ["base", "needs-base"])
        assert.isTrue(flags.boolean("needs-base", false, { country: "PT" }))
        broken()
        const second = next()
        await shop.flags.kill("apart", "live", "incident 12")
        assert.deepStrictEqual(await second, ["apart"])
        assert.deepStrictEqual(changes, [["base", "needs-base"], ["apart"]])
        await flags.close()
      })
    })
  )

  it.effect("returns the program's value where the flag has none of its type, and says why", () =>
    Effect.gen(function* () {
      const shop = (yield* program).tenant("types")
      yield* Effect.promise(async () => {
        await shop.flags.create({
          flagKey: "page-size",
          kind: "number",
          variants: [{ name: "large", value: 60 }],
          environments: { live: { isEnabled: true, rules: [], otherwise: { variant: "large" } } }
        })
        const flags = await shop.flags.open({ environment: "live" })
        assert.strictEqual(flags.number("page-size", 20), 60)
        assert.strictEqual(flags.string("page-size", "20"), "20")
        assert.strictEqual(flags.json("page-size", null), 60)
        const wrong = flags.evaluate("page-size", true)
        assert.deepStrictEqual([wrong.value, wrong.reason, wrong.errorCode], [true, "ERROR", "TYPE_MISMATCH"])
        const missing = flags.evaluate("page-width", { columns: 3 })
        assert.deepStrictEqual([missing.value, missing.errorCode], [{ columns: 3 }, "FLAG_NOT_FOUND"])
        const right = flags.evaluate("page-size", 20, {})
        assert.deepStrictEqual([right.value, right.variant, right.reason], [60, "large", "STATIC"])
        const untyped = (...values: ReadonlyArray<unknown>): unknown =>
          Reflect.apply(flags.boolean, undefined, values)
        assert.throws(() => untyped(7, false), "flags.boolean: expected flagKey to be text")
        assert.throws(
          () => untyped("page-size", false, Promise.resolve({})),
          "flags.boolean: expected context to be an object of attributes"
        )
      })
    })
  )
})
