import { assert, describe, it, layer } from "@effect/vitest"
import * as Policy from "@hypermarket/core/Policy"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { ActivityLog } from "@hypermarket/platform/ActivityLog"
import { InstallationPolicies } from "@hypermarket/platform/InstallationPolicies"
import { RegionPolicies } from "@hypermarket/platform/RegionPolicies"
import { type PolicyQuestion, type RegionDecision } from "@hypermarket/platform/RegionPolicy"
import { DateTime, Effect, Exit } from "effect"
import { SqlClient } from "effect/sql"
import { generatedPolicies, generatedQuestions, oracle, type Drafted } from "./policyOracle.ts"
import { asSystem, isRefused, law, publish, services, settled } from "./regionPolicies.ts"

describe("A region policy at the door", () => {
  const policy = { policyKey: "p", actions: publish, effect: "deny", ...law }

  it("is refused for UK and EL, naming GB and GR", () => {
    assert.include(isRefused({ ...policy, region: "UK" }) ?? "", "Expected GB")
    assert.include(isRefused({ ...policy, region: "EL" }) ?? "", "Expected GR")
    assert.isUndefined(isRefused({ ...policy, region: "GB" }))
  })

  it("is refused for an empty interval, also one of a single instant", () => {
    const at = "2026-01-01T00:00:00.000Z"
    const later = "2026-01-01T00:00:00.001Z"
    assert.include(isRefused({ ...policy, effectiveFrom: at, effectiveUntil: at }) ?? "", "empty")
    assert.include(isRefused({ ...policy, effectiveFrom: later, effectiveUntil: at }) ?? "", "empty")
    assert.isUndefined(isRefused({ ...policy, effectiveFrom: at, effectiveUntil: later }))
  })

  it("is refused for an effect without what it needs, and with what belongs to another", () => {
    assert.include(isRefused({ ...policy, effect: "require" }) ?? "", "requirements")
    assert.include(isRefused({ ...policy, effect: "value" }) ?? "", "value")
    assert.include(isRefused({ ...policy, requirements: ["age_check"] }) ?? "", "requirements")
  })
})

layer(services, { excludeTestServices: true, timeout: 60_000 })("RegionPolicies", (it) => {
  const at = (text: string) => DateTime.makeUnsafe(text)
  const deny = { actions: publish, effect: "deny" as const, ...law }

  it.effect("agree with a decision by sets of places, in any order in which they were written", () =>
    Effect.gen(function* () {
      const policies = yield* RegionPolicies
      const installation = yield* InstallationPolicies
      let decided = 0
      let denied = 0
      let undetermined = 0
      let valued = 0
      for (let round = 0; round < 12; round++) {
        const tenants = [TenantId.make(`order-${round}-a`), TenantId.make(`order-${round}-b`)] as const
        const ofInstallation = yield* generatedPolicies(4, `i${round}`, true)
        const ofTenant = yield* generatedPolicies(10, `t${round}`, false)
        const written = { installation: new Array<Drafted>(), tenant: new Array<Drafted>() }
        const orders = [ofTenant, ofTenant.toReversed()] as const
        for (const policy of ofInstallation) {
          const exit = yield* Effect.exit(installation.create(policy).pipe(asSystem))
          if (Exit.isSuccess(exit)) written.installation.push(policy)
        }
        for (const policy of orders[0]) {
          const exit = yield* Effect.exit(policies.create(policy).pipe(provide(tenants[0])))
          if (Exit.isSuccess(exit)) written.tenant.push(policy)
        }
        const keys = new Set(written.tenant.map(({ policyKey }) => policyKey))
        for (const policy of orders[1]) {
          if (keys.has(policy.policyKey)) yield* policies.create(policy).pipe(provide(tenants[1]))
        }
        for (const tenant of tenants) yield* settled.pipe(provide(tenant))
        for (const question of yield* generatedQuestions(60)) {
          const expected = oracle(written.installation, written.tenant, question)
          const shapeOf = ({ because, effect, requires, undetermined: isOpen, value }: RegionDecision) => ({
            effect,
            requires,
            undetermined: isOpen,
            ...(value === undefined ? {} : { value }),
            because: because.map(({ policyKey }) => policyKey).toSorted()
          })
          const decisions = yield* Effect.forEach(tenants, (tenant) =>
            Effect.map(policies.decide(question).pipe(provide(tenant)), shapeOf)
          )
          assert.deepStrictEqual(decisions[0], expected, JSON.stringify(question))
          assert.deepStrictEqual(decisions[1], expected, JSON.stringify(question))
          decided++
          if (expected.effect === "deny") denied++
          if (expected.undetermined) undetermined++
          if ("value" in expected) valued++
        }
        for (const { policyKey } of written.installation) {
          yield* installation.remove(policyKey, 1).pipe(asSystem)
        }
      }
      // The generator reaches every outcome.
      assert.isAbove(denied, decided / 50)
      assert.isAbove(decided - denied, decided / 50)
      assert.isAbove(undetermined, decided / 100)
      assert.isAbove(valued, 0)
    })
  )

  it.effect("of a tenant only narrow those of the installation", () =>
    Effect.gen(function* () {
      const policies = yield* RegionPolicies
      const installation = yield* InstallationPolicies
      const tenant = provide(TenantId.make("narrowed"))
      yield* installation.create({ policyKey: "ban", region: "DE", ...deny }).pipe(asSystem)
      yield* installation
        .create({
          policyKey: "rate",
          actions: ["tax.rate"],
          effect: "value",
          value: 19,
          region: "DE",
          ...law
        })
        .pipe(asSystem)
      yield* policies
        .create({ policyKey: "lift", actions: publish, effect: "allow", region: "DE", ...law })
        .pipe(tenant)
      yield* policies
        .create({ policyKey: "own", actions: ["tax.rate"], effect: "value", value: 0, category: "x", ...law })
        .pipe(tenant)
      const decide = (question: PolicyQuestion) => policies.decideNow(question).pipe(tenant)
      assert.strictEqual((yield* decide({ action: "listing.publish", region: "DE" })).effect, "deny")
      assert.strictEqual((yield* decide({ action: "tax.rate", region: "DE", category: "x" })).value, 19)
      assert.strictEqual((yield* decide({ action: "tax.rate", region: "FR", category: "x" })).value, 0)
      yield* installation.remove("ban", 1).pipe(asSystem)
      yield* installation.remove("rate", 1).pipe(asSystem)
    })
  )

  it.effect("bind the one tenant that the installation names, and a tenant cannot name another", () =>
    Effect.gen(function* () {
      const policies = yield* RegionPolicies
      const installation = yield* InstallationPolicies
      const bound = TenantId.make("bound")
      yield* installation.create({ policyKey: "one", tenant: bound, ...deny }).pipe(asSystem)
      const effectFor = (tenant: string) =>
        Effect.map(
          policies
            .decideNow({ action: "listing.publish", region: "FR" })
            .pipe(provide(TenantId.make(tenant))),
          ({ effect }) => effect
        )
      assert.deepStrictEqual([yield* effectFor("bound"), yield* effectFor("free")], ["deny", "allow"])
      const refused = yield* Effect.flip(
        policies.create({ policyKey: "other", tenant: bound, ...deny }).pipe(provide(TenantId.make("free")))
      )
      assert.strictEqual(refused._tag, "PolicyInvalid")
      yield* installation.remove("one", 1).pipe(asSystem)
    })
  )

  it.effect(
    "that name one tenant are in that tenant's log too, when they are made, changed and removed",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const installation = yield* InstallationPolicies
        const [first, second] = [TenantId.make("named-first"), TenantId.make("named-second")]
        yield* installation.create({ policyKey: "named", tenant: first, ...deny })
        yield* installation.change("named", 1, { tenant: second, ...deny })
        yield* installation.remove("named", 2)
        const rows = yield* sql<{ readonly tenantId: string; readonly action: string }>`
        SELECT tenant_id AS "tenantId", action
          FROM hm_platform_activity_log
         WHERE tenant_id LIKE 'named-%' OR tenant_id = '_system' AND detail LIKE '%"targetId":"named"}'
      `
        assert.sameMembers(
          rows.map(({ action, tenantId }) => `${tenantId} ${action}`),
          [
            "_system region-policy.created",
            "_system region-policy.changed",
            "_system region-policy.removed",
            "named-first region-policy.created",
            "named-first region-policy.changed",
            "named-second region-policy.changed",
            "named-second region-policy.removed"
          ]
        )
      }).pipe(asSystem, Effect.provide(ActivityLog.layerAudit))
  )

  it.effect("hold a deny and not an allow for an unknown place, a missing attribute and a broken rule", () =>
    Effect.gen(function* () {
      const policies = yield* RegionPolicies
      const sql = yield* SqlClient.SqlClient
      const adult = { attribute: "age", operator: "gte" as const, value: 18 }
      yield* policies.create({ policyKey: "utah", region: "US-UT", category: "wine", ...deny })
      yield* policies.create({
        policyKey: "adults",
        actions: ["offer.show"],
        effect: "allow",
        condition: adult,
        ...law
      })
      yield* policies.create({
        policyKey: "checked",
        actions: ["offer.buy"],
        effect: "require",
        requirements: ["age_check"],
        condition: { not: adult },
        ...law
      })
      const shape = (question: PolicyQuestion) =>
        Effect.map(policies.decideNow(question), ({ effect, requires, undetermined }) => [
          effect,
          undetermined,
          ...requires
        ])
      const wine = { action: "listing.publish", category: "wine" }
      assert.deepStrictEqual(yield* shape({ ...wine, region: "US-UT" }), ["deny", false])
      // Some of the country is Utah; without a place, some of the world is.
      assert.deepStrictEqual(yield* shape({ ...wine, region: "US" }), ["deny", true])
      assert.deepStrictEqual(yield* shape(wine), ["deny", true])
      assert.deepStrictEqual(yield* shape({ ...wine, region: "US-CA" }), ["allow", false])
      assert.deepStrictEqual(yield* shape({ action: "listing.publish", region: "US-UT" }), ["deny", true])
      const show = { action: "offer.show", region: "FR" }
      assert.deepStrictEqual(yield* shape(show), ["deny", true])
      assert.deepStrictEqual(yield* shape({ ...show, attributes: { age: 20 } }), ["allow", false])
      assert.deepStrictEqual(yield* shape({ ...show, attributes: { age: 17 } }), ["deny", false])
      const buy = { action: "offer.buy", region: "FR" }
      assert.deepStrictEqual(yield* shape(buy), ["allow", true, "age_check"])
      assert.deepStrictEqual(yield* shape({ ...buy, attributes: { age: 20 } }), ["allow", false])
      const core = { action: "listing.publish", region: "UK", attributes: { category: "wine" } }
      const { effect, undetermined } = yield* Policy.decideNow(core)
      assert.deepStrictEqual([effect, undetermined], ["deny", true])

      yield* sql`
        UPDATE hm_platform_policy
           SET definition = jsonb_set(definition::jsonb, '{condition}', '{"attribute": "age", "operator": "newer"}')::json
         WHERE tenant_id = 'unknowns'
      `
      yield* sql`
        UPDATE hm_platform_policy_revision
           SET revision = revision + 1
         WHERE tenant_id = 'unknowns'
      `
      assert.deepStrictEqual(yield* shape({ ...wine, region: "US-UT" }), ["deny", true])
      assert.deepStrictEqual(yield* shape({ ...show, attributes: { age: 20 } }), ["deny", true])
      assert.deepStrictEqual(yield* shape({ ...buy, attributes: { age: 20 } }), ["allow", true, "age_check"])
    }).pipe(provide(TenantId.make("unknowns")))
  )

  it.effect(
    "know which countries were in a group on the day: the United Kingdom was in the EU until 2020-01-31",
    () =>
      Effect.gen(function* () {
        const policies = yield* RegionPolicies
        yield* policies.create({ policyKey: "eu", region: "EU", ...deny })
        const effectAt = (region: string, day: string) =>
          Effect.map(
            policies.decideNow({ action: "listing.publish", region, at: at(day) }),
            ({ effect }) => effect
          )
        assert.deepStrictEqual(
          [
            yield* effectAt("GB", "2020-01-31T23:59:59.999Z"),
            yield* effectAt("GB", "2020-02-01T00:00:00Z"),
            yield* effectAt("GB-SCT", "2019-06-01T00:00:00Z"),
            yield* effectAt("HR", "2013-06-30T12:00:00Z"),
            yield* effectAt("HR", "2013-07-01T00:00:00Z")
          ],
          ["deny", "allow", "deny", "allow", "deny"]
        )
      }).pipe(provide(TenantId.make("members")))
  )
})
