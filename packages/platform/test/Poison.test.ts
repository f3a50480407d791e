import { assert, layer } from "@effect/vitest"
import * as Audit from "@hypermarket/core/Audit"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import { AllTenants, provide, Tenant, TenantId } from "@hypermarket/core/Tenant"
import { ActivityLog } from "@hypermarket/platform/ActivityLog"
import { ActivitySeals } from "@hypermarket/platform/ActivitySeals"
import { FlagUsage } from "@hypermarket/platform/FlagUsage"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import { SubjectRequests } from "@hypermarket/platform/SubjectRequests"
import * as PoisonSuite from "@hypermarket/testing/PoisonSuite"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"

const { count, update } = PoisonSuite

const layerTest = Layer.mergeAll(
  ActivitySeals.layer,
  SubjectRequests.layer,
  FlagUsage.layer,
  ActivityLog.layerAudit
).pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, PlatformDomain.domain.migrations)),
  // A subscription of one tenant that the fan-out cannot handle.
  Layer.provideMerge(
    Layer.succeed(Outbox.Outbox, {
      publish: () =>
        Effect.flatMap(Tenant, ({ id }) =>
          refusing.has(id) ? Effect.die(new TypeError("no subscription")) : Effect.void
        )
    })
  ),
  Layer.provideMerge(Now.layerTest)
)

const refusing = new Set<string>()

const as = (tenantId: string) => provide(TenantId.make(tenantId))
const overAll = Effect.provideService(AllTenants, { actor: "test" })

const change = (tenantId: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql.withTransaction(
      Audit.record({ action: "item.changed", target: { type: "item", id: "spade" } })
    )
  }).pipe(as(tenantId))

const seal = Effect.flatMap(ActivitySeals, (seals) => seals.seal).pipe(overAll)
const sweep = Effect.flatMap(ActivitySeals, (seals) => seals.sweep).pipe(overAll)
const runDue = Effect.flatMap(SubjectRequests, (requests) => requests.runDue).pipe(overAll)

/** An activity of a year ago, under a checkpoint. */
const changeLongAgo = (tenantId: string) =>
  Effect.gen(function* () {
    const clock = yield* Now.TestNow
    yield* clock.set(new Date("2024-06-11T08:00:00Z"))
    yield* change(tenantId)
    yield* seal
  })

const retain = Effect.gen(function* () {
  const clock = yield* Now.TestNow
  yield* clock.set(new Date("2025-08-19T08:00:00Z"))
  yield* Effect.flatMap(ActivitySeals, (seals) => seals.retain).pipe(overAll)
})

/** A checkpoint after which there is no further one. */
const endNumbers = (tenantId: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      INSERT INTO hm_platform_activity_checkpoint (tenant_id, number, previous, root, rows, sealed_at, activity_ids,
                                                   first_recorded_at, last_recorded_at)
      VALUES (${tenantId}, 9223372036854775807, sha256('a'), sha256('b'), 1, now(), ARRAY[gen_random_uuid()], now(), now())
    `
  )

const isSealed = (tenantId: string) =>
  Effect.map(count("hm_platform_activity_checkpoint", tenantId, "true"), (rows) => rows > 0)

const forget = (tenantId: string) =>
  Effect.flatMap(SubjectRequests, (requests) =>
    requests.create({ kind: "erasure", subject: { kind: "customer", id: "mia" } })
  ).pipe(as(tenantId))

const isForgotten = (tenantId: string) =>
  Effect.map(count("hm_platform_subject_request", tenantId, "state = 'done'"), (rows) => rows > 0)

const running = "platform.subject.run"

layer(layerTest, { excludeTestServices: true })("Loops of platform", (it) => {
  PoisonSuite.suite(it, [
    {
      name: "sealing beside a checkpoint without a next number",
      work: change,
      plant: endNumbers,
      round: seal,
      isDone: isSealed,
      recorded: PoisonSuite.loopFailure("platform.activity.seal"),
      expected: /Expected an integer/
    },
    {
      name: "sealing beside an event that cannot be published",
      work: change,
      plant: (tenantId) => Effect.sync(() => refusing.add(tenantId)),
      round: sweep,
      isDone: isSealed,
      recorded: PoisonSuite.loopFailure("platform.activity.seal"),
      expected: /no subscription/
    },
    {
      name: "running requests of persons beside one whose progress is of a newer release",
      work: forget,
      plant: (tenantId) =>
        update("hm_platform_subject_request", tenantId, `progress = '{"shard": 3, "passes": "two"}'`),
      round: runDue,
      isDone: isForgotten,
      recorded: PoisonSuite.loopFailure(running),
      expected: /passRows|passes|waiting/
    },
    {
      name: "running requests of persons beside one without a readable person",
      work: forget,
      plant: (tenantId) => update("hm_platform_subject_request", tenantId, `subject = '["mia"]'`),
      round: runDue,
      isDone: isForgotten,
      recorded: PoisonSuite.loopFailure(running),
      expected: /SchemaError|Expected/
    }
  ])

  it.effect("a tenant with more unreadable requests than a round serves stops no other tenant's", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        INSERT INTO hm_platform_subject_request (tenant_id, request_id, kind, state, subject, due_at, recorded_at, updated_at)
        SELECT 'crowd', gen_random_uuid(), 'erasure', 'running', '7', now() - interval '1 day', now(), now()
          FROM generate_series(1, 250)
      `
      yield* forget("single")
      yield* runDue
      assert.isTrue(yield* isForgotten("single"))
      assert.isDefined(yield* PoisonSuite.loopFailure(running)("crowd"))
    })
  )

  it.effect("expired exports and uses of flags go, more than one statement takes, and no other row", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const now = yield* Now.now
      const ids = yield* Effect.forEach(["gone", "kept"], (tenantId) =>
        Effect.map(Identifier.next, (id) => ({ id, tenantId }))
      )
      for (const { id, tenantId } of ids) {
        const finishedAt = new Date(now.getTime() - (tenantId === "gone" ? 8 : 6) * 86_400_000)
        yield* sql`
          INSERT INTO hm_platform_subject_request (tenant_id, request_id, kind, state, subject, due_at, recorded_at,
                                                   updated_at, finished_at)
          VALUES (${tenantId}, ${id}::uuid, 'export', 'done', '{"kind":"customer","id":"mia","identifiers":[]}', now(), now(),
                  now(), ${finishedAt})
        `
        yield* sql`
          INSERT INTO hm_platform_subject_part (tenant_id, request_id, number, lines)
          SELECT ${tenantId}, ${id}::uuid, number, ''
            FROM generate_series(1, 450) AS number
        `
        yield* sql`
          INSERT INTO hm_platform_flag_usage (tenant_id, feature_id, environment, used_on, uses)
          SELECT ${tenantId}, gen_random_uuid(), 'live', ${tenantId === "gone" ? "2021-02-03" : now.toISOString()}::text::date, 1
            FROM generate_series(1, 11000)
        `
      }
      yield* Effect.flatMap(SubjectRequests, (requests) => requests.prune).pipe(overAll)
      yield* Effect.flatMap(FlagUsage, (usage) => usage.prune).pipe(overAll)
      const left = (table: string) =>
        Effect.forEach(["gone", "kept"], (tenantId) => count(table, tenantId, "true"))
      assert.deepStrictEqual(yield* left("hm_platform_subject_part"), [0, 450])
      assert.deepStrictEqual(yield* left("hm_platform_flag_usage"), [0, 11_000])
      const named = (tenantId: string) =>
        count("hm_platform_subject_request", tenantId, "subject IS NOT NULL")
      assert.deepStrictEqual([yield* named("gone"), yield* named("kept")], [0, 1])
    })
  )
})

layer(layerTest, { excludeTestServices: true })("The retention of the activity log", (it) => {
  PoisonSuite.suite(it, [
    {
      name: "naming what is dropped beside a log that can have no further checkpoint",
      work: changeLongAgo,
      plant: endNumbers,
      round: retain,
      isDone: (tenantId) =>
        Effect.map(
          count("hm_platform_activity_checkpoint", tenantId, "dropped_at IS NOT NULL"),
          (named) => named === 1
        ),
      recorded: PoisonSuite.loopFailure("platform.activity.retain"),
      expected: /Expected an integer/
    }
  ])
})
