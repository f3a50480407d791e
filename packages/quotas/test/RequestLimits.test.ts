import { assert, describe, it, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as CoreLimits from "@hypermarket/core/Limits"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { InstallationLimits } from "@hypermarket/quotas/InstallationLimits"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import type { RateState } from "@hypermarket/quotas/RateLimit"
import { headersOf, olderHeadersOf } from "@hypermarket/quotas/RateLimitHeaders"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import type { NewRatePolicy } from "@hypermarket/quotas/RatePolicy"
import * as RequestLimits from "@hypermarket/quotas/RequestLimits"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Effect, Layer, Option, Schema } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { parseList } from "structured-headers"
import { layerClock, TestClock } from "./rateSupport.ts"

const TestLayer = Layer.merge(QuotasDomain.layer, RequestLimits.layer).pipe(
  Layer.provide(
    ConfigProvider.layer(
      ConfigProvider.fromUnknown({ HM_QUOTAS_ADDRESS_QUOTA: "2", HM_QUOTAS_CHECK_DEADLINE: "30 seconds" })
    )
  ),
  Layer.provideMerge(layerClock),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, QuotasDomain.domain.migrations))
)

const asOperator = Effect.provideService(AllTenants, { actor: "test" })
const hourMillis = 3_600_000
let tenants = 0
const freshTenant = () => TenantId.make(`tenant-${++tenants}`)

const address = { text: "192.0.2.1", bucket: "192.0.2.1" }

const requestOf = (tenantId: TenantId, fields: Partial<CoreLimits.Request> = {}): CoreLimits.Request => ({
  tenantId,
  plan: Option.some("standard"),
  keyId: "k1",
  route: "events.publish",
  address,
  cost: 1,
  ...fields
})

const check = (request: CoreLimits.Request) =>
  Effect.flatMap(CoreLimits.Limits, (limits) => limits.check(request))

const create = (tenantId: TenantId, policy: Partial<NewRatePolicy> & { readonly policy: string }) =>
  Effect.flatMap(RateLimits, (limits) =>
    limits.createPolicy({ kind: "gcra", quota: 10, periodMillis: hourMillis, by: ["tenant"], ...policy })
  ).pipe(provide(tenantId))

/** The contract's process reads policies by its own poll: a change is seen within 500 ms. */
const until = (request: CoreLimits.Request, predicate: (verdict: CoreLimits.Verdict) => boolean) =>
  Effect.repeat(check(request), { until: predicate })

layer(TestLayer, { excludeTestServices: true })("RequestLimits", (it) => {
  it.effect("allows a tenant without policies, without headers", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* check(requestOf(freshTenant())), CoreLimits.allowed)
    })
  )

  it.effect("answers with the draft's headers, and 429 with the problem that IANA registers", () =>
    Effect.gen(function* () {
      const tenantId = freshTenant()
      yield* create(tenantId, { policy: "default", quota: 2 })
      const first = yield* check(requestOf(tenantId))
      assert.deepStrictEqual(first, {
        allowed: true,
        headers: { ratelimit: '"default";r=1;t=1800', "ratelimit-policy": '"default";q=2;w=3600' }
      })
      yield* check(requestOf(tenantId))
      const refused = yield* check(requestOf(tenantId))
      assert.deepStrictEqual(refused.problem, {
        type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
        title: "Request cannot be satisfied as assigned quota has been exceeded",
        status: 429,
        "violated-policies": ["default"]
      })
      assert.strictEqual(refused.headers["retry-after"], "1800")
      yield* TestClock.advance(1_800_000)
      assert.isTrue((yield* check(requestOf(tenantId))).allowed)
    })
  )

  it.effect("Retry-After is the longest of the violated policies", () =>
    Effect.gen(function* () {
      const tenantId = freshTenant()
      yield* create(tenantId, { policy: "short", quota: 1, periodMillis: 60_000 })
      yield* create(tenantId, { policy: "long", quota: 1 })
      yield* check(requestOf(tenantId))
      const refused = yield* check(requestOf(tenantId))
      assert.strictEqual(refused.headers["retry-after"], "3600")
      assert.deepStrictEqual(refused.problem?.["violated-policies"], ["long", "short"])
    })
  )

  it.effect("the policy default applies unless another names the route", () =>
    Effect.gen(function* () {
      const tenantId = freshTenant()
      yield* create(tenantId, { policy: "default", quota: 1 })
      yield* create(tenantId, { policy: "publish", quota: 5, routes: ["events.publish"] })
      yield* create(tenantId, { policy: "gold", quota: 7, plans: ["gold"] })
      const policiesOf = (request: CoreLimits.Request) =>
        Effect.map(check(request), ({ headers }) => headers["ratelimit-policy"])
      assert.strictEqual(yield* policiesOf(requestOf(tenantId)), '"publish";q=5;w=3600')
      assert.strictEqual(
        yield* policiesOf(requestOf(tenantId, { route: "search.query" })),
        '"default";q=1;w=3600'
      )
      assert.strictEqual(
        yield* policiesOf(requestOf(tenantId, { plan: Option.some("gold") })),
        '"gold";q=7;w=3600, "publish";q=5;w=3600'
      )
    })
  )

  it.effect("policies of the installation hold for every tenant in a bucket each", () =>
    Effect.gen(function* () {
      const installation = yield* InstallationLimits
      const fields = { kind: "gcra", quota: 1, periodMillis: hourMillis, by: ["tenant", "route"] } as const
      const policy = yield* installation
        .createPolicy({ policy: "everyone", ...fields, routes: ["only.here"] })
        .pipe(asOperator)
      const [one, two] = [freshTenant(), freshTenant()]
      const request = requestOf(one, { route: "only.here" })
      yield* until(request, ({ headers }) => headers["ratelimit-policy"] !== undefined)
      assert.isFalse((yield* check(request)).allowed)
      assert.isTrue((yield* check(requestOf(two, { route: "only.here" }))).allowed)
      yield* installation
        .putOverride("everyone", { subject: { tenant: one, route: "only.here" }, bypass: true })
        .pipe(asOperator)
      yield* until(request, ({ allowed }) => allowed)
      yield* installation.removePolicy("everyone", policy.version).pipe(asOperator)
    })
  )

  it.effect("keeps 10,000 addresses in memory, and never forgets one that goes on asking", () =>
    Effect.gen(function* () {
      const limits = yield* CoreLimits.Limits
      const ask = (text: string) => limits.checkAddress({ text, bucket: text }).allowed
      const idle = "198.51.100.7"
      const busy = "198.51.100.8"
      for (const text of [idle, busy])
        assert.deepStrictEqual([ask(text), ask(text), ask(text)], [true, true, false])
      for (let other = 0; other < 10_500; other++) {
        assert.isTrue(ask(`203.0.113.${other}`))
        if (other % 5_000 === 0) assert.isFalse(ask(busy))
      }
      assert.isFalse(ask(busy))
      // Its place was given to another address.
      assert.isTrue(ask(idle))
    })
  )

  it.effect("limits addresses in memory before any key is read", () =>
    Effect.gen(function* () {
      const limits = yield* CoreLimits.Limits
      const other = { text: "2001:db8::1", bucket: "2001:db8::/64" }
      assert.isTrue(limits.checkAddress(address).allowed)
      assert.isTrue(limits.checkAddress(address).allowed)
      const refused = limits.checkAddress(address)
      assert.isFalse(refused.allowed)
      assert.strictEqual(refused.headers["retry-after"], "30")
      assert.isTrue(limits.checkAddress(other).allowed)
    })
  )
})

const Impatient = Layer.merge(QuotasDomain.layer, RequestLimits.layer).pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, QuotasDomain.domain.migrations))
)

layer(Impatient, { excludeTestServices: true })("RequestLimits with the default deadline", (it) => {
  it.effect(
    "a policy that closes refuses with 503 while the database cannot decide, an open one admits its burst",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const [open, closed] = [freshTenant(), freshTenant()]
        yield* create(open, { policy: "open", quota: 3 })
        yield* create(closed, { policy: "closed", whenUnavailable: "closed" })
        for (const tenantId of [open, closed]) {
          yield* until(requestOf(tenantId), ({ headers }) => headers["ratelimit-policy"] !== undefined)
        }
        yield* sql.withTransaction(
          Effect.gen(function* () {
            // Every check waits for this lock, longer than its 100 ms.
            yield* sql`LOCK TABLE hm_api_rate_limit IN ACCESS EXCLUSIVE MODE`
            const refused = yield* check(requestOf(closed))
            assert.deepInclude(refused.problem, {
              type: "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
              status: 503
            })
            assert.strictEqual(refused.headers["retry-after"], "1")
            const verdicts = yield* Effect.forEach([1, 2, 3, 4, 5], () => check(requestOf(open)))
            assert.deepStrictEqual(
              verdicts.map(({ allowed }) => allowed),
              [true, true, true, false, false]
            )
            assert.strictEqual(verdicts[4]?.problem?.status, 429)
          })
        )
        yield* until(requestOf(closed), ({ allowed }) => allowed)
      })
  )
})

const Older = Layer.merge(QuotasDomain.layer, RequestLimits.layer).pipe(
  Layer.provide(
    ConfigProvider.layer(
      ConfigProvider.fromUnknown({ HM_QUOTAS_OLDER_HEADERS: "true", HM_QUOTAS_CHECK_DEADLINE: "30 seconds" })
    )
  ),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, QuotasDomain.domain.migrations))
)

layer(Older, { excludeTestServices: true })("RequestLimits with older headers", (it) => {
  it.effect("answers and refusals have them beside the draft's present ones", () =>
    Effect.gen(function* () {
      const tenantId = freshTenant()
      yield* create(tenantId, { policy: "default", quota: 2 })
      const limited = ({ headers }: CoreLimits.Verdict) => headers["ratelimit-policy"] !== undefined
      const first = yield* until(requestOf(tenantId), limited)
      assert.deepInclude(first.headers, { "ratelimit-limit": "2", "ratelimit-remaining": "1" })
      const refused = yield* until(requestOf(tenantId), ({ allowed }) => !allowed)
      assert.strictEqual(refused.headers["ratelimit-remaining"], "0")
      assert.match(refused.headers["ratelimit-reset"] ?? "", /^[1-9]\d*$/)
    })
  )
})

const Numbers = Schema.Struct({
  quota: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 })),
  burst: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 })),
  periodSeconds: Schema.Int.check(Schema.isBetween({ minimum: 1_000, maximum: 90_000 }))
})

layer(TestLayer, { excludeTestServices: true })("RequestLimits of any numbers", (it) => {
  it.effect.prop(
    "Retry-After is on every 429, in whole seconds of at least 1, and after it a lone request passes",
    [Numbers],
    ([{ burst, periodSeconds, quota }]) =>
      Effect.gen(function* () {
        const tenantId = freshTenant()
        yield* create(tenantId, { policy: "default", quota, burst, periodMillis: periodSeconds * 1_000 })
        yield* create(tenantId, { policy: "window", kind: "window", quota, periodMillis: 700_000 })
        let refused = yield* check(requestOf(tenantId))
        while (refused.allowed) refused = yield* check(requestOf(tenantId))
        assert.strictEqual(refused.problem?.status, 429)
        const seconds = refused.headers["retry-after"] ?? ""
        assert.match(seconds, /^[1-9]\d*$/)
        yield* TestClock.advance(Number(seconds) * 1_000)
        assert.isTrue((yield* check(requestOf(tenantId))).allowed, seconds)
      }),
    { arbitrary: { runs: 12 } }
  )
})

const hostileName = String.raw`a"b\c`

describe("RateLimitHeaders", () => {
  it('the fields parse with an independent library of RFC 9651, also with a policy named a"b\\c', () => {
    const stateOf = (policy: string, quota: number): RateState => ({
      policy,
      quota,
      burst: quota,
      periodMillis: 61_000,
      remaining: quota - 1,
      fullAfterMillis: 1_001,
      retryAfterMillis: 0
    })
    const headers = headersOf({
      allowed: true,
      states: [stateOf(hostileName, 999_999_999_999_999), stateOf("plain", 7)],
      lease: null,
      retryAfterSeconds: null,
      decidedBy: "database"
    })
    const parsed = (name: string) =>
      parseList(headers[name] ?? "").map(([item, parameters]) => [item, Object.fromEntries(parameters)])
    assert.deepStrictEqual(parsed("ratelimit-policy"), [
      [hostileName, { q: 999_999_999_999_999, w: 61 }],
      ["plain", { q: 7, w: 61 }]
    ])
    assert.deepStrictEqual(parsed("ratelimit"), [
      [hostileName, { r: 999_999_999_999_998, t: 2 }],
      ["plain", { r: 6, t: 2 }]
    ])
  })

  it("quotes names as structured fields do, rounds r down and t up to the next unit", () => {
    const state: RateState = {
      policy: 'a"b\\c',
      quota: 100,
      burst: 100,
      periodMillis: 1_500,
      remaining: 3,
      fullAfterMillis: 1_001,
      retryAfterMillis: 1
    }
    const headers = headersOf({
      allowed: false,
      states: [state],
      lease: null,
      retryAfterSeconds: 1,
      decidedBy: "database"
    })
    assert.deepStrictEqual(headers, {
      ratelimit: String.raw`"a\"b\\c";r=3;t=2`,
      "ratelimit-policy": String.raw`"a\"b\\c";q=100;w=2`,
      "retry-after": "1"
    })
  })

  it("older headers describe the policy that denies for longest, or has the least rest", () => {
    const stateOf = (policy: string, remaining: number, retryAfterMillis: number): RateState => ({
      policy,
      quota: 40 + remaining,
      burst: 50,
      periodMillis: 60_000,
      remaining,
      fullAfterMillis: 30_001,
      retryAfterMillis
    })
    const headers = (states: ReadonlyArray<RateState>) =>
      olderHeadersOf({ allowed: true, states, lease: null, retryAfterSeconds: null, decidedBy: "database" })
    const least = { "ratelimit-limit": "43", "ratelimit-remaining": "3", "ratelimit-reset": "31" }
    assert.deepStrictEqual(headers([stateOf("a", 9, 0), stateOf("b", 3, 0), stateOf("c", 5, 0)]), least)
    assert.strictEqual(headers([stateOf("a", 0, 10), stateOf("b", 2, 900)])["ratelimit-limit"], "42")
    assert.deepStrictEqual(headers([]), {})
  })
})
