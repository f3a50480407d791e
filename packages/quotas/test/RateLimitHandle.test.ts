/** Limits of a program's own numbers, at the Promise door. */
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { connect } from "@hypermarket/core/Promises"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { TestDatabase, layer as layerTestDatabase } from "@hypermarket/testing/TestDatabase"
import { Effect } from "effect"

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("it resolved"),
    (error: unknown) => error
  )

const deadline = "HM_QUOTAS_CHECK_DEADLINE"

/** On a busy machine the database decides later than a check waits by default; the process would then decide alone. */
const open = Effect.flatMap(TestDatabase, ({ url }) =>
  Effect.acquireRelease(
    Effect.promise(() => {
      process.env[deadline] = "30 seconds"
      return connect({ connectionString: url, domains: [QuotasDomain], pool: { max: 4 } }).finally(() => {
        delete process.env[deadline]
      })
    }),
    (hm) => Effect.promise(() => hm.close())
  )
)

layer(layerTestDatabase(CoreDomain.migrations, QuotasDomain.domain.migrations), {
  excludeTestServices: true
})("limits.open", (it) => {
  it.effect("admits a burst of each key, then resolves with a refusal: headers, status and problem", () =>
    Effect.gen(function* () {
      const hm = yield* open
      yield* Effect.promise(async () => {
        const login = await hm.tenant("door").limits.open({ name: "login", rate: 6, per: "1 hour", burst: 3 })
        const verdict = await login.take("192.0.2.8", { cost: 2 })
        assert.deepStrictEqual(verdict, {
          allowed: true,
          headers: { ratelimit: '"login";r=1;t=1200', "ratelimit-policy": '"login";q=6;w=3600' }
        })
        assert.isTrue((await login.take("192.0.2.8")).allowed)
        const refused = await login.take("192.0.2.8")
        assert.isFalse(refused.allowed)
        assert.deepInclude(refused.problem, { status: 429, "violated-policies": ["login"] })
        assert.strictEqual(refused.headers["retry-after"], "600")
        assert.isTrue((await login.take("192.0.2.9")).allowed)
      })
    })
  )

  it.effect("a policy of the tenant with its name replaces the numbers, and its overrides hold", () =>
    Effect.gen(function* () {
      const hm = yield* open
      yield* Effect.promise(async () => {
        const tenant = hm.tenant("operated")
        const signUp = await tenant.limits.open({ name: "sign-up", rate: 1, per: "1 hour" })
        assert.isTrue((await signUp.take("ann")).allowed)
        assert.isFalse((await signUp.take("ann")).allowed)
        await tenant.limits.createPolicy({
          policy: "sign-up",
          kind: "gcra",
          quota: 4,
          periodMillis: 3_600_000,
          by: ["user"]
        })
        await tenant.limits.putOverride("sign-up", { subject: { user: "bob" }, bypass: true })
        assert.strictEqual((await signUp.take("ann")).headers["ratelimit-policy"], '"sign-up";q=4;w=3600')
        assert.deepStrictEqual(await signUp.take("bob"), { allowed: true, headers: {} })
      })
    })
  )

  it.effect("refuses wrong numbers, keys and costs, names the field, and charges nothing", () =>
    Effect.gen(function* () {
      const hm = yield* open
      yield* Effect.promise(async () => {
        const { limits } = hm.tenant("wrong")
        for (const [options, field] of [
          [{ name: "caf\u00e9", rate: 1, per: "1 hour" }, "name"],
          [{ name: "n", rate: 0, per: "1 hour" }, "rate"],
          [{ name: "n", rate: 1, per: "1 fortnight" }, "per"],
          [{ name: "n", rate: 1, per: "500 days" }, "per"]
        ] as const) {
          const error = await rejection(limits.open(options))
          assert.deepInclude(error, { _tag: "InvalidArgument", method: "limits.open" })
          assert.include(JSON.stringify(error), field)
        }
        const handle = await limits.open({ name: "asked", rate: 2, per: "1 hour" })
        for (const cost of [0, -1, 1.5, Number.NaN, 1e15]) {
          assert.instanceOf(await rejection(handle.take("u", { cost })), TypeError)
        }
        assert.deepInclude(await rejection(handle.take("u", { cost: 3 })), {
          _tag: "RateCostTooHigh",
          costMax: 2
        })
        assert.deepInclude(await rejection(handle.take("k".repeat(10_000))), {
          _tag: "RateSubjectInvalid",
          reason: "too_long"
        })
        assert.include((await handle.take("u")).headers["ratelimit"], "r=1;")
      })
    })
  )
})
