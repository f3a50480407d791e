import { assert, layer } from "@effect/vitest"
import { provide, type Tenant, TenantId } from "@hypermarket/core/Tenant"
import type { FlagEnvironment } from "@hypermarket/platform/FeatureFlag"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import { type FlagStep } from "@hypermarket/platform/FlagChangeRequest"
import { FlagSegments } from "@hypermarket/platform/FlagSegments"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import {
  Requests,
  layerAll,
  off,
  on,
  rollout,
  as,
  inMinutes,
  later,
  runDue,
  state,
  stored,
  guard
} from "./flagRequests.ts"

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
})
