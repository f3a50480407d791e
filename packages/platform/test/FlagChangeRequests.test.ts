import { assert, layer } from "@effect/vitest"
import * as Actor from "@hypermarket/core/Actor"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import { AllTenants, provide, type Tenant, TenantId } from "@hypermarket/core/Tenant"
import type { FlagEnvironment } from "@hypermarket/platform/FeatureFlag"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import { FlagApprovalPolicies } from "@hypermarket/platform/FlagApprovalPolicies"
import { type FlagStep, limits } from "@hypermarket/platform/FlagChangeRequest"
import * as FlagChangeRequests from "@hypermarket/platform/FlagChangeRequests"
import { FlagSegments } from "@hypermarket/platform/FlagSegments"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as PoisonSuite from "@hypermarket/testing/PoisonSuite"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { DateTime, Effect, Layer, Result } from "effect"
import { SqlClient } from "effect/sql"

const Requests = FlagChangeRequests.FlagChangeRequests

const layerAll = PlatformDomain.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, PlatformDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

const off: FlagEnvironment = { isEnabled: true, rules: [], otherwise: { variant: "off" } }
const on: FlagEnvironment = { ...off, otherwise: { variant: "on" } }
const rollout: FlagEnvironment = {
  ...off,
  rules: [{ ruleId: "some", percentage: 5, serve: { variant: "on" } }]
}

const as = (id: string, onBehalfOf?: string) =>
  Effect.provideService(Actor.Actor, {
    type: "key" as const,
    id,
    ...(onBehalfOf === undefined ? {} : { onBehalfOf })
  })

const inMinutes = (minutes: number) =>
  Effect.map(Now.now, (now) => DateTime.fromDateUnsafe(new Date(now.getTime() + minutes * 60_000)))

const later = Effect.fnUntraced(function* (minutes: number) {
  const clock = yield* Now.TestNow
  yield* clock.adjust(`${minutes} minutes`)
})

const runDue = Effect.flatMap(Requests, (requests) => requests.runDue).pipe(
  Effect.provideService(AllTenants, { actor: "test" })
)

const state = (environment: string, wanted: FlagEnvironment): FlagStep => ({
  does: { environment, state: wanted }
})

/** The flag's rollout, or its default, as it is stored. */
const stored = Effect.fnUntraced(function* (flagKey: string) {
  const flags = yield* FeatureFlags
  const flag = yield* flags.get(flagKey)
  return { version: flag.version, live: flag.environments["live"] }
})

const guard = (environment: string, version = 0) =>
  Effect.flatMap(FlagApprovalPolicies, (policies) =>
    policies.set(environment, version, { requiresApproval: true })
  )

layer(layerAll, { excludeTestServices: true })("A change request", (it) => {
  it.effect("approved on a base that another one has changed is refused and changes nothing", () =>
    Effect.gen(function* () {
      const flags = yield* FeatureFlags
      const requests = yield* Requests
      const sql = yield* SqlClient.SqlClient
      yield* flags.create({ flagKey: "checkout", kind: "boolean", environments: { live: off } })
      yield* guard("live")
      const propose = (wanted: FlagEnvironment) =>
        requests
          .create({ flagKey: "checkout", baseVersion: 1, steps: [state("live", wanted)] })
          .pipe(as("ann"))
      const [first, second] = [yield* propose(on), yield* propose(rollout)]
      assert.deepStrictEqual([first.status, second.status], ["pending", "pending"])
      const rows = sql`
        SELECT request_id, status, base_version, approver, updated_at
          FROM hm_platform_flag_request
         WHERE request_id = ${second.requestId}::uuid
      `
      const outcomes = yield* Effect.forEach(
        [first, second],
        ({ requestId }) => requests.approve(requestId).pipe(as("ben"), Effect.exit),
        { concurrency: 1 }
      )
      assert.deepStrictEqual(
        outcomes.map(({ _tag }) => _tag),
        ["Success", "Failure"]
      )
      const before = yield* rows
      const refused = yield* Effect.flip(requests.approve(second.requestId).pipe(as("ben")))
      assert.deepInclude(refused, {
        _tag: "FlagRequestStale",
        status: 409,
        baseVersion: 1,
        currentVersion: 2
      })
      assert.deepStrictEqual(yield* rows, before)
      assert.deepStrictEqual(yield* stored("checkout"), { version: 2, live: on })
    }).pipe(provide(TenantId.make("fr-base")))
  )

  it.effect(
    "approved together with another one of the same base is applied once, whichever comes first",
    () =>
      Effect.gen(function* () {
        const flags = yield* FeatureFlags
        const requests = yield* Requests
        for (let round = 0; round < 8; round++) {
          const flagKey = `race-${round}`
          yield* flags.create({ flagKey, kind: "boolean", environments: { live: off } })
          const ids = yield* Effect.forEach([on, rollout], (wanted) =>
            Effect.map(
              requests.create({ flagKey, baseVersion: 1, steps: [state("live", wanted)] }).pipe(as("ann")),
              ({ requestId }) => requestId
            )
          )
          const outcomes = yield* Effect.forEach(
            ids,
            (requestId) => requests.approve(requestId).pipe(as("ben"), Effect.result),
            { concurrency: 2 }
          )
          assert.strictEqual(outcomes.filter(({ _tag }) => _tag === "Success").length, 1)
          assert.strictEqual((yield* stored(flagKey)).version, 2)
          const statuses = yield* Effect.forEach(ids, (requestId) => requests.get(requestId))
          assert.deepStrictEqual(statuses.map(({ status }) => status).toSorted(), ["applied", "pending"])
        }
      }).pipe(provide(TenantId.make("fr-race")))
  )

  it.effect("needs another person: not its author, nor the author with another key", () =>
    Effect.gen(function* () {
      const flags = yield* FeatureFlags
      const requests = yield* Requests
      yield* flags.create({ flagKey: "banner", kind: "boolean", environments: { live: off } })
      const request = yield* requests
        .create({ flagKey: "banner", baseVersion: 1, steps: [state("live", on)] })
        .pipe(as("k-1", "ann"))
      for (const author of [as("k-1"), as("k-2", "ann")]) {
        const refused = yield* Effect.flip(requests.approve(request.requestId).pipe(author))
        assert.deepInclude(refused, { _tag: "FlagApproverIsAuthor", status: 403 })
      }
      const approved = yield* requests.approve(request.requestId).pipe(as("k-2", "ben"))
      assert.deepInclude(approved, { status: "applied", stepsDone: 1, baseVersion: 2 })
      assert.deepInclude(approved.approver, { id: "k-2", onBehalfOf: "ben" })
      const again = yield* Effect.flip(requests.approve(request.requestId).pipe(as("k-3")))
      assert.deepInclude(again, { _tag: "FlagRequestNotOpen", state: "applied" })
    }).pipe(provide(TenantId.make("fr-person")))
  )

  it.effect(
    "is the only way to change a flag in an environment that asks for approvals, but for a kill",
    () =>
      Effect.gen(function* () {
        const flags = yield* FeatureFlags
        const segments = yield* FlagSegments
        const requests = yield* Requests
        yield* segments.create({ segmentKey: "inner", condition: { any: [] } })
        yield* segments.create({ segmentKey: "outer", condition: { not: { segment: "inner" } } })
        yield* segments.create({ segmentKey: "other", condition: { any: [] } })
        const ruled: FlagEnvironment = {
          ...off,
          rules: [{ ruleId: "r", condition: { segment: "outer" }, serve: { variant: "on" } }]
        }
        yield* flags.create({ flagKey: "guarded", kind: "boolean", environments: { live: ruled, test: off } })
        yield* guard("live")
        const metadata = { team: "checkout" }
        const refused = yield* Effect.forEach(
          [
            flags.setEnvironment("guarded", "live", 1, on),
            flags.change("guarded", 1, { metadata }),
            flags.change("guarded", 1, { flagKey: "renamed" }),
            flags.archive("guarded", 1, "old"),
            flags.create({ flagKey: "new", kind: "boolean", environments: { live: on } }),
            segments.change("inner", 1, { condition: { all: [] } })
          ],
          (change: Effect.Effect<unknown, unknown, Tenant>) => Effect.flip(change)
        )
        for (const failure of refused) {
          assert.deepInclude(failure, { _tag: "FlagApprovalRequired", status: 409, environments: ["live"] })
        }
        // What changes nothing in that environment.
        yield* segments.change("inner", 1, { description: "words" })
        yield* segments.change("other", 1, { condition: { all: [] } })
        yield* flags.setEnvironment("guarded", "test", 1, on)
        yield* flags.change("guarded", 2, { owner: "team" })
        const killed = yield* flags.kill("guarded", "live", "errors")
        assert.isFalse(killed.environments["live"]?.isEnabled)
        const back = yield* Effect.flip(flags.rollBack("guarded", killed.version, 1))
        assert.strictEqual(back._tag, "FlagApprovalRequired")
        const steps: ReadonlyArray<FlagStep> = [{ does: { rollBackTo: 1 } }]
        const request = yield* requests
          .create({ flagKey: "guarded", baseVersion: killed.version, steps })
          .pipe(as("ann"))
        yield* requests.approve(request.requestId).pipe(as("ben"))
        assert.deepStrictEqual((yield* stored("guarded")).live, ruled)
      }).pipe(provide(TenantId.make("fr-guard")))
  )

  it.effect(
    "with times is a ramp: each step is applied when it is due, and the next expects its version",
    () =>
      Effect.gen(function* () {
        const flags = yield* FeatureFlags
        const requests = yield* Requests
        yield* flags.create({ flagKey: "ranking", kind: "boolean", environments: { live: rollout } })
        const step = (minutes: number, percentage: number) =>
          Effect.map(inMinutes(minutes), (at): FlagStep => ({
            at,
            does: { environment: "live", ruleId: "some", percentage }
          }))
        const steps = yield* Effect.all([step(10, 12.5), step(30, 50), step(60, 100)])
        const request = yield* requests.create({ flagKey: "ranking", baseVersion: 1, steps }).pipe(as("ann"))
        assert.strictEqual(request.status, "scheduled")
        const percentage = Effect.map(stored("ranking"), ({ live }) => live?.rules[0]?.percentage)
        const seen: Array<unknown> = []
        for (const minutes of [5, 6, 21, 31]) {
          yield* later(minutes)
          yield* runDue
          seen.push(yield* percentage)
        }
        assert.deepStrictEqual(seen, [5, 12.5, 50, 100])
        assert.deepInclude(yield* requests.get(request.requestId), {
          status: "applied",
          stepsDone: 3,
          baseVersion: 4,
          dueAt: null
        })
        const versions = yield* flags.listVersions("ranking", {})
        assert.deepStrictEqual(
          versions.items.map(({ actor }) => actor.id),
          ["ann", "ann", "ann", "hypermarket"]
        )
      }).pipe(provide(TenantId.make("fr-ramp")))
  )

  it.effect("whose base is stale when it is due becomes a conflict, visible, and publishes an event", () =>
    Effect.gen(function* () {
      const flags = yield* FeatureFlags
      const requests = yield* Requests
      const published: Array<Outbox.Event> = []
      const publisher: Outbox.Publisher = {
        publish: (events) => Effect.sync(() => void published.push(...events))
      }
      yield* flags.create({ flagKey: "sale", kind: "boolean", environments: { live: off } })
      const at = yield* inMinutes(10)
      const request = yield* requests
        .create({ flagKey: "sale", baseVersion: 1, steps: [{ at, ...state("live", on) }] })
        .pipe(as("ann"))
      yield* flags.change("sale", 1, { owner: "marketing" })
      yield* later(11)
      yield* runDue.pipe(Effect.provideService(Outbox.Outbox, publisher))
      const reason = "the flag is at version 2, and the request expects version 1"
      assert.deepStrictEqual(yield* stored("sale"), { version: 2, live: off })
      assert.deepInclude(yield* requests.get(request.requestId), { status: "conflict", reason })
      const { items } = yield* requests.list({ status: "conflict" })
      assert.deepStrictEqual(
        items.map(({ requestId }) => requestId),
        [request.requestId]
      )
      assert.deepStrictEqual(
        published.map(({ data, subject, type }) => [type, subject, data]),
        [
          [
            "com.hypermarket.platform.flagrequest.conflicted.v1",
            request.requestId,
            { requestId: request.requestId, flagKey: "sale", baseVersion: 1, reason }
          ]
        ]
      )
      // It is over: nothing happens in the next round.
      yield* runDue.pipe(Effect.provideService(Outbox.Outbox, publisher))
      assert.lengthOf(published, 1)
    }).pipe(provide(TenantId.make("fr-conflict")))
  )

  it.effect("is applied in the order of the times, also when all are overdue", () =>
    Effect.gen(function* () {
      const flags = yield* FeatureFlags
      const requests = yield* Requests
      const keys = ["c", "a", "b"]
      for (const flagKey of keys) {
        yield* flags.create({ flagKey, kind: "boolean", environments: { live: off } })
      }
      for (const [index, flagKey] of keys.entries()) {
        const steps = yield* Effect.forEach([20 - index * 5, 40 - index * 5], (minutes) =>
          Effect.map(inMinutes(minutes), (at): FlagStep => ({
            at,
            ...state("live", minutes > 25 ? off : on)
          }))
        )
        yield* requests.create({ flagKey, baseVersion: 1, steps }).pipe(as("ann"))
      }
      yield* later(60)
      yield* runDue
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql<{ readonly flagKey: string; readonly version: number }>`
        SELECT feature.flag_key AS "flagKey", version.version
          FROM hm_platform_feature_version AS version
          JOIN hm_platform_feature AS feature USING (tenant_id, feature_id)
         WHERE version.tenant_id = 'fr-order' AND version.version > 1
         ORDER BY version.xmin::text::bigint
      `
      assert.deepStrictEqual(
        rows.map(({ flagKey, version }) => `${flagKey}${version}`),
        ["b2", "a2", "c2", "b3", "a3", "c3"]
      )
    }).pipe(provide(TenantId.make("fr-order")))
  )

  it.effect("that was scheduled without an approval is not applied once the environment asks for one", () =>
    Effect.gen(function* () {
      const flags = yield* FeatureFlags
      const requests = yield* Requests
      yield* flags.create({ flagKey: "late", kind: "boolean", environments: { live: off } })
      const at = yield* inMinutes(5)
      const request = yield* requests.create({
        flagKey: "late",
        baseVersion: 1,
        steps: [{ at, ...state("live", on) }]
      })
      yield* guard("live")
      yield* later(6)
      yield* runDue
      const { reason, status } = yield* requests.get(request.requestId)
      assert.deepStrictEqual(
        [status, reason],
        ["conflict", "changes need an approval since it was scheduled: live"]
      )
      assert.deepStrictEqual((yield* stored("late")).live, off)
    }).pipe(provide(TenantId.make("fr-since")))
  )

  it.effect("that was approved before its time waits for it, and a closed one is never applied", () =>
    Effect.gen(function* () {
      const flags = yield* FeatureFlags
      const requests = yield* Requests
      yield* guard("live")
      const made = yield* Effect.forEach(["kept", "dropped"], (flagKey) =>
        Effect.gen(function* () {
          yield* flags.create({ flagKey, kind: "boolean" })
          const at = yield* inMinutes(5)
          const steps = [{ at, ...state("live", on) }]
          const request = yield* requests.create({ flagKey, baseVersion: 1, steps }).pipe(as("ann"))
          assert.strictEqual(request.status, "pending")
          return yield* requests.approve(request.requestId).pipe(as("ben"))
        })
      )
      assert.deepStrictEqual(
        made.map(({ status, stepsDone }) => [status, stepsDone]),
        [
          ["scheduled", 0],
          ["scheduled", 0]
        ]
      )
      yield* requests.close(made[1]?.requestId ?? "", "not this year")
      yield* later(6)
      yield* runDue
      assert.deepStrictEqual((yield* stored("kept")).live, on)
      assert.isUndefined((yield* stored("dropped")).live)
      const closed = yield* requests.get(made[1]?.requestId ?? "")
      assert.deepInclude(closed, { status: "closed", reason: "not this year" })
    }).pipe(provide(TenantId.make("fr-wait")))
  )

  it.effect("is refused at the door when a step could not be applied, and names the step", () =>
    Effect.gen(function* () {
      const flags = yield* FeatureFlags
      const requests = yield* Requests
      yield* flags.create({ flagKey: "checked", kind: "boolean", environments: { live: rollout } })
      const create = (...steps: ReadonlyArray<FlagStep>) =>
        requests.create({ flagKey: "checked", baseVersion: 1, steps })
      const at = yield* inMinutes(5)
      const past = yield* inMinutes(-5)
      const unknown: FlagEnvironment = { ...off, otherwise: { variant: "maybe" } }
      const failures = yield* Effect.forEach(
        [
          create({ does: { environment: "live", isEnabled: false } }, { at, ...state("live", unknown) }),
          create({ does: { environment: "live", ruleId: "none", percentage: 5 } }),
          create({ at: past, ...state("live", on) }),
          create({ does: { environment: "other", isEnabled: true } }),
          create({ does: { rollBackTo: 7 } }),
          create({ does: { change: { variants: [{ name: "on", value: "yes" }] } } }),
          requests.create({ flagKey: "checked", baseVersion: 2, steps: [state("live", on)] })
        ],
        (made: Effect.Effect<unknown, unknown, Tenant>) => Effect.flip(made)
      )
      const named = [
        '"path":["steps",1,"does","state","otherwise","variant"]',
        '"path":["steps",0,"does","ruleId"]',
        '"path":["steps",0,"at"]',
        '"environment":"other"',
        '"version":7',
        '"path":["steps",0,"does","variants",0,"value"]',
        '"baseVersion":2,"currentVersion":1'
      ]
      for (const [index, failure] of failures.entries()) {
        assert.include(JSON.stringify(failure), named[index] ?? "nothing is named")
      }
      assert.deepStrictEqual((yield* requests.list({})).items, [])
    }).pipe(provide(TenantId.make("fr-door")))
  )

  it.effect("follows a rename, and meets an archived flag with a conflict", () =>
    Effect.gen(function* () {
      const flags = yield* FeatureFlags
      const requests = yield* Requests
      yield* flags.create({ flagKey: "old", kind: "boolean", environments: { live: off } })
      const [first, second] = yield* Effect.all([inMinutes(5), inMinutes(10)])
      const request = yield* requests.create({
        flagKey: "old",
        baseVersion: 1,
        steps: [
          { at: first, does: { change: { flagKey: "new" } } },
          { at: second, does: { environment: "live", isEnabled: false } }
        ]
      })
      yield* later(6)
      yield* runDue
      yield* flags.archive("new", 2, "done")
      yield* later(5)
      yield* runDue
      assert.deepInclude(yield* requests.get(request.requestId), {
        status: "conflict",
        stepsDone: 1,
        reason: "the flag was archived"
      })
    }).pipe(provide(TenantId.make("fr-rename")))
  )

  it.effect("that this release cannot read becomes a conflict, and the tenant's others are applied", () =>
    Effect.gen(function* () {
      const flags = yield* FeatureFlags
      const requests = yield* Requests
      const sql = yield* SqlClient.SqlClient
      const [broken, whole] = yield* Effect.forEach(["broken", "whole"], (flagKey, index) =>
        Effect.gen(function* () {
          yield* flags.create({ flagKey, kind: "boolean", environments: { live: off } })
          const at = yield* inMinutes(5 + index)
          return yield* requests.create({ flagKey, baseVersion: 1, steps: [{ at, ...state("live", on) }] })
        })
      )
      yield* sql`
        UPDATE hm_platform_flag_request
           SET steps = '[{"does": {"teleport": true}}]'
         WHERE request_id = ${broken?.requestId ?? ""}::uuid
      `
      yield* later(10)
      yield* runDue
      assert.strictEqual((yield* requests.get(whole?.requestId ?? "")).status, "applied")
      const [row] = yield* sql`
        SELECT status, reason
          FROM hm_platform_flag_request
         WHERE request_id = ${broken?.requestId ?? ""}::uuid
      `
      assert.deepStrictEqual(row, { status: "conflict", reason: "this release cannot read the request" })
    }).pipe(provide(TenantId.make("fr-unreadable")))
  )

  it.effect(
    "whose flag this release cannot read becomes a conflict, and delays none that can be applied",
    () =>
      Effect.gen(function* () {
        const flags = yield* FeatureFlags
        const requests = yield* Requests
        const sql = yield* SqlClient.SqlClient
        const places = [
          ["broken", "live"],
          ["beside", "live"],
          ["elsewhere", "staging"],
          ["late", "staging"]
        ] as const
        const ids = yield* Effect.forEach(places, ([flagKey, environment], index) =>
          Effect.gen(function* () {
            yield* flags.create({ flagKey, kind: "boolean", environments: { [environment]: off } })
            const at = yield* inMinutes(3 + index)
            const steps = [{ at, ...state(environment, on) }] as const
            return (yield* requests.create({ flagKey, baseVersion: 1, steps })).requestId
          })
        )
        const breaking = (variants: string) => sql`
        UPDATE hm_platform_feature
           SET variants = ${variants}::text::json
         WHERE tenant_id = 'fr-broken-flag' AND flag_key = 'broken'
      `
        yield* breaking('{"none": 7}')
        yield* later(9)
        yield* runDue
        const found = Effect.map(Effect.forEach(ids, requests.get), (all) =>
          all.map(({ reason, status }) => [status, reason])
        )
        assert.deepStrictEqual(yield* found, [
          ["conflict", "this release cannot read the flag"],
          // Its environment cannot be checked while that flag is in it.
          ["scheduled", null],
          ["applied", null],
          ["applied", null]
        ])
        yield* breaking('[{"name": "on", "value": true}, {"name": "off", "value": false}]')
        yield* later(1)
        yield* runDue
        assert.deepStrictEqual((yield* found)[1], ["applied", null])
      }).pipe(provide(TenantId.make("fr-broken-flag")))
  )

  it.effect("is refused past the limit of open ones, also when many are proposed at once", () =>
    Effect.gen(function* () {
      const flags = yield* FeatureFlags
      const requests = yield* Requests
      const sql = yield* SqlClient.SqlClient
      yield* flags.create({ flagKey: "crowd", kind: "boolean", environments: { live: off } })
      const propose = requests.create({ flagKey: "crowd", baseVersion: 1, steps: [state("live", on)] })
      const { requestId } = yield* propose
      // All but three of those that may be open.
      yield* sql`
        INSERT INTO hm_platform_flag_request
                    (tenant_id, request_id, feature_id, flag_key, base_version, steps, status, author, recorded_at, updated_at)
        SELECT tenant_id, gen_random_uuid(), feature_id, flag_key, base_version, steps, status, author, recorded_at, updated_at
          FROM hm_platform_flag_request, generate_series(1, ${limits.openMax - 4})
         WHERE request_id = ${requestId}::uuid
      `
      const outcomes = yield* Effect.forEach(Array.from({ length: 9 }), () => Effect.result(propose), {
        concurrency: "unbounded"
      })
      const refused = outcomes.flatMap((outcome) => (Result.isFailure(outcome) ? [outcome.failure._tag] : []))
      assert.deepStrictEqual(refused, Array.from({ length: 6 }).fill("FlagLimitReached"))
    }).pipe(provide(TenantId.make("fr-crowd")))
  )

  PoisonSuite.suite(it, [
    {
      name: "due changes of flags beside a flag whose stored kind no release knows",
      work: (tenantId) =>
        Effect.gen(function* () {
          const flags = yield* FeatureFlags
          const requests = yield* Requests
          yield* flags.create({ flagKey: "f", kind: "boolean", environments: { live: off } })
          const at = yield* inMinutes(1)
          yield* requests.create({ flagKey: "f", baseVersion: 1, steps: [{ at, ...state("live", on) }] })
        }).pipe(provide(TenantId.make(tenantId))),
      plant: (tenantId) =>
        Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql`
            UPDATE hm_platform_feature
               SET variants = '{"none": true}'
             WHERE tenant_id = ${tenantId}
          `
        ),
      round: Effect.andThen(later(2), runDue),
      isDone: (tenantId) =>
        Effect.map(stored("f"), ({ version }) => version === 2).pipe(provide(TenantId.make(tenantId))),
      // The tenant's other requests do not wait: the loop has no failure, and the request has the reason.
      recorded: (tenantId) =>
        Effect.gen(function* () {
          const requests = yield* Requests
          const { items } = yield* requests.list({ status: "conflict" })
          return items[0]?.reason ?? undefined
        }).pipe(provide(TenantId.make(tenantId))),
      expected: /cannot read the flag/
    }
  ])
})
