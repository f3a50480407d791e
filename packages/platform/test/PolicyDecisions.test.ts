import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import * as Policy from "@hypermarket/core/Policy"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import type { PolicyDecision } from "@hypermarket/platform/PolicyDecision"
import * as PolicyHandle from "@hypermarket/platform/PolicyHandle"
import { RegionPolicies } from "@hypermarket/platform/RegionPolicies"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { DateTime, Deferred, Effect, Exit, Fiber, Layer, Metric, Schedule } from "effect"
import { SqlClient } from "effect/sql"

const services = RegionPolicies.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, PlatformDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

const law = { legalBasis: "Test Code 7", source: "https://example.com/code/7" }
const banned = { actions: ["offer.show"], effect: "deny" as const, region: "CH", category: "knives", ...law }
const question = { action: "offer.show", region: "CH-ZH", category: "knives" }

/** A process that decides, and stops: what it has decided is in the table then. */
const inProcess = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.provide(self, Layer.merge(RegionPolicies.layer, RegionPolicies.layerPolicy), { local: true })

const logged = Effect.fnUntraced(function* (filter: object = {}) {
  const policies = yield* RegionPolicies
  const { items } = yield* policies.decisions({ limit: 200, ...filter })
  return items
})

const versionsOf = ({ because }: PolicyDecision) =>
  because.map(({ policyKey, version }) => `${policyKey} ${version}`).join()

/** Decides by core's contract once the process has read the policies. */
const decideByCore = (asked: Parameters<typeof Policy.decide>[0]) =>
  Policy.decide(asked).pipe(
    Effect.repeat({ until: ({ revision }) => revision > 0n, schedule: Schedule.spaced("10 millis") })
  )

/** Of one tenant, as the README says. */
const tenantEntriesMax = 1_000

const missedTotal = Metric.counter("hm_platform_policy_decisions_missed_total", {
  description:
    "Decisions that are not in the log of decisions, because too many were waiting or could not be stored",
  incremental: true
})

/** Waits until a statement of this database waits for the table's lock, or none does. */
const waitsForLock = (isWaiting: boolean) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly waiting: boolean }>`
      SELECT EXISTS (
               SELECT 1
                 FROM pg_locks
                WHERE NOT granted AND relation = 'hm_platform_policy_decision'::regclass
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
             ) AS waiting
    `
  ).pipe(
    Effect.repeat({ until: ([row]) => row?.waiting === isWaiting, schedule: Schedule.spaced("10 millis") })
  )

layer(services, { excludeTestServices: true, timeout: 120_000 })("The log of decisions", (it) => {
  it.effect("has each decision with the version that led to it, and equal ones once with their number", () =>
    Effect.gen(function* () {
      const now = yield* Now.TestNow
      yield* inProcess(
        Effect.gen(function* () {
          const policies = yield* RegionPolicies
          yield* policies.create({ policyKey: "knives", ...banned })
          const handle = yield* PolicyHandle.open({})
          for (let time = 0; time < 7; time++) handle.decide({ ...question, attributes: { person: "zoe" } })
          handle.decide({ action: "offer.show", region: "AT" })
          yield* policies.change("knives", 1, { ...banned, region: "CH-ZH" })
          const isNew = () => handle.decide(question).because[0]?.version === 2
          yield* Effect.sync(isNew).pipe(
            Effect.repeat({ until: (done) => done, schedule: Schedule.spaced("10 millis") })
          )
          const at = DateTime.makeUnsafe("2031-03-04T05:06:07Z")
          handle.decide({ ...question, at: DateTime.formatIso(at), knownAt: DateTime.formatIso(at) })
        }).pipe(Effect.scoped)
      )
      yield* now.adjust("1 second")
      const items = yield* logged()
      const dated = items.find(({ at }) => at !== undefined)
      const others = items.filter(({ at }) => at === undefined)
      assert.strictEqual(dated === undefined ? "" : versionsOf(dated), "knives 2")
      assert.strictEqual(
        dated?.at === undefined ? "" : DateTime.formatIso(dated.at),
        "2031-03-04T05:06:07.000Z"
      )
      assert.deepStrictEqual(others.map(versionsOf).toSorted(), ["knives 1", "knives 2"])
      const first = others.find((item) => versionsOf(item) === "knives 1")
      assert.isAtLeast(first?.decisions ?? 0, 7)
      assert.deepInclude(first, {
        ...question,
        effect: "deny",
        requires: [],
        undetermined: false,
        installationRevision: "0",
        tenantRevision: "1"
      })
      // Nothing forbids it in Austria: a decision that no policy led to can be asked again as of its day.
      assert.notInclude(JSON.stringify(items), "AT")
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql`
        SELECT decision::text AS text
          FROM hm_platform_policy_decision AS decision
      `
      assert.notInclude(JSON.stringify(rows), "zoe")
    }).pipe(provide(TenantId.make("versions")))
  )

  it.effect(
    "has a decision with a reference in the caller's transaction, and none that was rolled back",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const policies = yield* RegionPolicies
        yield* policies.create({ policyKey: "knives", ...banned })
        const decide = (reference: string, region: string) =>
          policies.decideNow({ ...question, region, reference })
        yield* sql.withTransaction(
          Effect.gen(function* () {
            yield* decide("l-31", "CH")
            // Published in the same transaction.
            yield* policies.change("knives", 1, { ...banned, region: "LI" })
            yield* decide("l-31", "CH")
            yield* decide("l-32", "LI")
          })
        )
        yield* Effect.exit(sql.withTransaction(Effect.andThen(decide("l-33", "LI"), Effect.fail("no"))))
        const items = yield* logged()
        assert.sameMembers(
          items.map((item) => `${item.reference} ${item.effect} ${versionsOf(item)} ${item.decisions}`),
          ["l-31 deny knives 1 1", "l-31 allow  1", "l-32 deny knives 2 1"]
        )
        const listed = Effect.fnUntraced(function* (filter: object) {
          return (yield* logged(filter)).map(({ effect, reference }) => `${reference} ${effect}`).toSorted()
        })
        assert.deepStrictEqual(yield* listed({ reference: "l-31" }), ["l-31 allow", "l-31 deny"])
        assert.deepStrictEqual(yield* listed({ policyKey: "knives" }), ["l-31 deny", "l-32 deny"])
        assert.deepStrictEqual(yield* listed({ effect: "allow" }), ["l-31 allow"])
        assert.deepStrictEqual(yield* listed({ action: "offer.buy" }), [])
        const pages: Array<string> = []
        let cursor: string | null = ""
        while (cursor !== null) {
          const page: { readonly items: ReadonlyArray<PolicyDecision>; readonly nextCursor: string | null } =
            yield* policies.decisions({ limit: 1, ...(cursor === "" ? {} : { cursor }) })
          pages.push(...page.items.map(({ decisionId }) => decisionId))
          cursor = page.nextCursor
        }
        assert.deepStrictEqual(
          pages,
          items.map(({ decisionId }) => decisionId)
        )
      }).pipe(provide(TenantId.make("references")))
  )

  it.effect("fails the change whose decision cannot be written", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const policies = yield* RegionPolicies
      const change = sql`
        INSERT INTO hm_tenant (tenant_id, name, plan, status, recorded_at, updated_at)
        VALUES ('refused', 'x', 'x', 'active', now(), now())
      `
      const refuse = sql`
        ALTER TABLE hm_platform_policy_decision
          ADD CONSTRAINT refused CHECK (reference <> 'l-40')
      `
      const write = sql.withTransaction(
        Effect.andThen(change, policies.decideNow({ ...question, reference: "l-40" }))
      )
      yield* refuse
      assert.isTrue(Exit.isFailure(yield* Effect.exit(write)))
      yield* sql`ALTER TABLE hm_platform_policy_decision DROP CONSTRAINT refused`
      const kept = yield* sql`
        SELECT 1
          FROM hm_tenant
         WHERE tenant_id = 'refused'
      `
      assert.lengthOf(kept, 0)
    }).pipe(provide(TenantId.make("refusing")))
  )

  it.effect("has decisions of an outage once the database is back, each of them once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const policies = yield* RegionPolicies
      yield* policies.create({ policyKey: "knives", ...banned })
      const isLocked = yield* Deferred.make<void>()
      const isOver = yield* Deferred.make<void>()
      const outage = yield* sql
        .withTransaction(
          Effect.gen(function* () {
            yield* sql`LOCK TABLE hm_platform_policy_decision IN ACCESS EXCLUSIVE MODE`
            yield* Deferred.succeed(isLocked, undefined)
            yield* Deferred.await(isOver)
          })
        )
        .pipe(Effect.forkScoped)
      yield* Deferred.await(isLocked)
      yield* inProcess(
        Effect.gen(function* () {
          const handle = yield* PolicyHandle.open({})
          for (let place = 0; place < 40; place++) {
            handle.decide({ ...question, region: "CH", reference: `l-${place % 20}` })
          }
          // The first write waits for the lock, and gives up.
          yield* waitsForLock(true)
          yield* waitsForLock(false)
          yield* Deferred.succeed(isOver, undefined)
          yield* Fiber.join(outage)
          handle.decide({ ...question, region: "CH", reference: "l-3" })
        }).pipe(Effect.scoped)
      )
      const items = yield* logged()
      assert.lengthOf(new Set(items.map(({ reference }) => reference)), 20)
      assert.strictEqual(
        items.reduce((sum, { decisions }) => sum + decisions, 0),
        41
      )
    }).pipe(Effect.scoped, provide(TenantId.make("outage")))
  )

  it.effect("gives up a decision that cannot be stored, and counts it; no other tenant's with it", () =>
    Effect.gen(function* () {
      const owners = ["poison", "healthy"].map((name) => TenantId.make(name))
      const policies = yield* RegionPolicies
      for (const owner of owners) {
        yield* policies.create({ policyKey: "knives", ...banned }).pipe(provide(owner))
      }
      const attributes = { category: "knives" }
      const asked = { action: "offer.show", region: "CH", attributes }
      yield* inProcess(
        Effect.gen(function* () {
          for (const tenantId of owners) {
            yield* decideByCore({ ...asked, tenantId, reference: `${tenantId}\u0000${"x".repeat(300)}` })
            // Postgres has no such day.
            if (tenantId === "poison") yield* Policy.decide({ ...asked, tenantId, at: new Date(8.64e15) })
          }
        })
      )
      const ofOwners = yield* Effect.forEach(owners, (owner) => logged().pipe(provide(owner)))
      for (const [place, items] of ofOwners.entries()) {
        const references = new Set(items.map(({ reference }) => reference?.slice(0, 10)))
        assert.include(Array.from(references), `${owners[place]}xxxxxxxxxx`.slice(0, 10))
        assert.isTrue(items.every(({ at }) => at === undefined))
      }
      assert.isAtLeast((yield* Metric.value(missedTotal)).count, 1)
    })
  )

  it.effect(
    `keeps ${tenantEntriesMax} different decisions of a tenant at a time, and room for the others`,
    () =>
      Effect.gen(function* () {
        const policies = yield* RegionPolicies
        const [loud, quiet] = [TenantId.make("loud"), TenantId.make("quiet")]
        for (const owner of [loud, quiet]) {
          yield* policies.create({ policyKey: "knives", ...banned }).pipe(provide(owner))
        }
        yield* inProcess(
          Effect.gen(function* () {
            const handles = {
              loud: yield* PolicyHandle.open({}).pipe(provide(loud)),
              quiet: yield* PolicyHandle.open({}).pipe(provide(quiet))
            }
            for (let place = 0; place < 2 * tenantEntriesMax; place++) {
              handles.loud.decide({ ...question, reference: `r-${place}` })
            }
            handles.quiet.decide({ ...question, reference: "q-1" })
          }).pipe(Effect.scoped)
        )
        const sql = yield* SqlClient.SqlClient
        const rows = yield* sql`
        SELECT tenant_id AS owner, count(*)::int AS rows
          FROM hm_platform_policy_decision
         WHERE tenant_id IN ('loud', 'quiet')
         GROUP BY tenant_id
         ORDER BY tenant_id
      `
        assert.deepStrictEqual(rows, [
          { owner: "loud", rows: tenantEntriesMax },
          { owner: "quiet", rows: 1 }
        ])
      })
  )
})
