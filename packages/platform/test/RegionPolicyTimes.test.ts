import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import * as Policy from "@hypermarket/core/Policy"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as PolicyHandle from "@hypermarket/platform/PolicyHandle"
import { RegionPolicies } from "@hypermarket/platform/RegionPolicies"
import { type PolicyQuestion, type RegionDecision } from "@hypermarket/platform/RegionPolicy"
import { DateTime, Effect, Exit } from "effect"
import { SqlClient } from "effect/sql"
import { generatedPolicies, generatedQuestions } from "./policyOracle.ts"
import { services, law, publish, settled } from "./regionPolicies.ts"

layer(services, { excludeTestServices: true, timeout: 60_000 })(
  "RegionPolicies over time and by several writers",
  (it) => {
    const at = (text: string) => DateTime.makeUnsafe(text)
    const deny = { actions: publish, effect: "deny" as const, ...law }

    it.effect("answer as of a day in force and as of a day known", () =>
      Effect.gen(function* () {
        const policies = yield* RegionPolicies
        const now = yield* Now.TestNow
        yield* now.set(new Date("2026-01-10T00:00:00Z"))
        yield* policies.create({
          policyKey: "dated",
          effectiveFrom: at("2026-02-01T00:00:00Z"),
          effectiveUntil: at("2026-03-01T00:00:00Z"),
          ...deny
        })
        // On the 20th the law is postponed: known from then on, for days that were decided otherwise before.
        yield* now.set(new Date("2026-01-20T00:00:00Z"))
        yield* policies.change("dated", 1, { effectiveFrom: at("2026-02-15T00:00:00Z"), ...deny })
        yield* now.set(new Date("2026-01-30T00:00:00Z"))
        yield* policies.remove("dated", 2)
        const effect = (inForce: string, known: string) =>
          Effect.map(
            policies.decideNow({
              action: "listing.publish",
              region: "FR",
              at: at(`2026-${inForce}T00:00:00Z`),
              knownAt: at(`2026-${known}T00:00:00Z`)
            }),
            (decision) => `${decision.effect} ${decision.because.map(({ version }) => version).join()}`.trim()
          )
        assert.deepStrictEqual(
          [
            yield* effect("02-10", "01-09"),
            yield* effect("02-10", "01-11"),
            yield* effect("01-31", "01-15"),
            yield* effect("03-01", "01-15"),
            yield* effect("02-10", "01-21"),
            yield* effect("03-10", "01-25"),
            yield* effect("03-10", "01-31")
          ],
          ["allow", "deny 1", "allow", "allow", "allow", "deny 2", "allow"]
        )
        assert.strictEqual((yield* Effect.flip(policies.get("dated")))._tag, "PolicyNotFound")
      }).pipe(provide(TenantId.make("asof")))
    )

    it.effect("refuse a tie of values when it is written, and take a more specific or preferred one", () =>
      Effect.gen(function* () {
        const policies = yield* RegionPolicies
        const value = (policyKey: string, more: object) =>
          policies.create({
            policyKey,
            actions: ["tax.rate"],
            effect: "value",
            value: policyKey,
            ...law,
            ...more
          })
        yield* value("eu", { region: "EU" })
        const tie = yield* Effect.flip(value("eea", { region: "EEA" }))
        assert.deepInclude(tie, { _tag: "PolicyTie", policyKeys: ["eu"] })
        yield* value("eea", { region: "EEA", priority: 1 })
        yield* value("de", { region: "DE" })
        yield* value("fr", { region: "FR" })
        yield* value("wine", { category: "wine" })
        yield* value("later", { region: "EU", effectiveFrom: at("2030-01-01T00:00:00Z"), priority: 2 })
        assert.strictEqual((yield* Effect.flip(value("web", { channel: "web" })))._tag, "PolicyTie")
        const valueOf = (question: Omit<PolicyQuestion, "action">) =>
          Effect.map(
            policies.decideNow({ action: "tax.rate", category: "none", channel: "none", ...question }),
            (decision) => decision.value
          )
        assert.deepStrictEqual(
          [
            yield* valueOf({ region: "DE" }),
            yield* valueOf({ region: "IT" }),
            yield* valueOf({ region: "DE-BY", category: "wine" }),
            yield* valueOf({ region: "JP" })
          ],
          ["de", "eea", "wine", undefined]
        )
      }).pipe(provide(TenantId.make("ties")))
    )

    it.effect("have the effect that a dry run counted", () =>
      Effect.gen(function* () {
        const policies = yield* RegionPolicies
        for (const policy of yield* generatedPolicies(8, "base", false)) {
          yield* Effect.ignore(policies.create(policy))
        }
        const questions = yield* generatedQuestions(80)
        for (const policy of yield* generatedPolicies(8, "dry", false)) {
          const report = yield* Effect.exit(policies.dryRun({ policy, questions }))
          yield* settled
          const before = yield* Effect.forEach(questions, policies.decide)
          const created = yield* Effect.exit(policies.create(policy))
          // A dry run refuses what writing refuses.
          assert.strictEqual(Exit.isSuccess(report), Exit.isSuccess(created))
          if (Exit.isFailure(report)) continue
          yield* settled
          const after = yield* Effect.forEach(questions, policies.decide)
          const textOf = ({ because, effect, requires, undetermined, value }: RegionDecision) =>
            JSON.stringify([
              effect,
              value,
              requires,
              undetermined,
              because.map(({ policyKey, version }) => [policyKey, version]).toSorted()
            ])
          const changed = questions.filter((_, index) => {
            const [left, right] = [before[index], after[index]]
            return left !== undefined && right !== undefined && textOf(left) !== textOf(right)
          })
          assert.deepInclude(report.value, {
            questions: 80,
            deniedBefore: before.filter(({ effect }) => effect === "deny").length,
            deniedAfter: after.filter(({ effect }) => effect === "deny").length,
            changedCount: changed.length
          })
        }
      }).pipe(provide(TenantId.make("dry")))
    )

    it.effect(
      "decide synchronously by a handle, which follows changes, and in a transaction with what is published in it",
      () =>
        Effect.gen(function* () {
          const policies = yield* RegionPolicies
          const sql = yield* SqlClient.SqlClient
          const handle = yield* PolicyHandle.open({})
          const question = { action: "listing.publish", region: "US-UT", category: "wine" }
          assert.strictEqual(handle.decide(question).effect, "allow")
          yield* sql.withTransaction(
            Effect.gen(function* () {
              yield* policies.create({ policyKey: "utah", region: "US-UT", category: "wine", ...deny })
              assert.strictEqual((yield* policies.decideNow(question)).effect, "deny")
              assert.strictEqual(handle.decide(question).effect, "allow")
            })
          )
          const decision = yield* Effect.sync(() => handle.decide(question)).pipe(
            Effect.repeat({ until: ({ effect }) => effect === "deny" })
          )
          assert.deepStrictEqual(
            decision.because.map(({ policyKey, ...more }) => [
              policyKey,
              more.version,
              more.legalBasis,
              more.source
            ]),
            [["utah", 1, law.legalBasis, law.source]]
          )
          assert.throws(() => handle.decide({ ...question, region: "UK" }), /Expected GB/)
        }).pipe(Effect.scoped, provide(TenantId.make("handle")))
    )

    it.effect("deny by core's contract until the process has read them, and answer by it afterwards", () =>
      Effect.gen(function* () {
        const tenantId = TenantId.make("first")
        const question = { tenantId, action: "listing.publish", region: "FR", attributes: {} }
        const first = yield* Policy.decide(question)
        assert.deepInclude(first, { effect: "deny", undetermined: true, revision: 0n })
        const next = yield* Policy.decide(question).pipe(
          Effect.repeat({ until: ({ undetermined }) => !undetermined })
        )
        assert.strictEqual(next.effect, "allow")
      })
    )

    it.effect("take turns: of two writers at once with tying values one is refused", () =>
      Effect.gen(function* () {
        const policies = yield* RegionPolicies
        const value = (policyKey: string) =>
          Effect.exit(
            policies.create({
              policyKey,
              actions: ["tax.rate"],
              effect: "value",
              value: 1,
              region: "DE",
              ...law
            })
          )
        for (let round = 0; round < 5; round++) {
          const tenant = provide(TenantId.make(`race-${round}`))
          const exits = yield* Effect.all([value("a").pipe(tenant), value("b").pipe(tenant)], {
            concurrency: 2
          })
          assert.lengthOf(exits.filter(Exit.isSuccess), 1)
        }
      })
    )
  }
)
