import { assert, layer } from "@effect/vitest"
import * as Outbox from "@hypermarket/core/Outbox"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import { type FlagStep, limits } from "@hypermarket/platform/FlagChangeRequest"
import * as PoisonSuite from "@hypermarket/testing/PoisonSuite"
import { Effect, Result } from "effect"
import { SqlClient } from "effect/sql"
import {
  Requests,
  layerAll,
  off,
  on,
  as,
  inMinutes,
  later,
  runDue,
  state,
  stored,
  guard
} from "./flagRequests.ts"

layer(layerAll, { excludeTestServices: true })("A change request when it is due", (it) => {
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
