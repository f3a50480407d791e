import { assert, layer } from "@effect/vitest"
import type * as Check from "@hypermarket/core/Check"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import * as Partitions from "@hypermarket/core/Partitions"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as ServerClock from "@hypermarket/queue/ServerClock"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Clock, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"

const TestLayer = Layer.mergeAll(Wakeup.layerSilent, Now.layerTest).pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, EventsDomain.domain.migrations))
)

const findings = (name: string) =>
  Effect.forEach(
    EventsDomain.domain.checks.filter((check: Check.Check) => check.name === name),
    (check) => check.run
  ).pipe(Effect.map((lists) => lists.flat()))

const statusOf = (name: string) => Effect.map(findings(name), (list) => list.map((finding) => finding.status))

layer(TestLayer, { excludeTestServices: true })("doctor", (it) => {
  it.effect("tells of a backlog that grows old", () =>
    Effect.gen(function* () {
      const time = yield* Now.TestNow
      const jobs = yield* WorkQueue.make({ prefix: "hm_event" })
      assert.deepStrictEqual(yield* statusOf("backlog"), ["ok"])
      yield* jobs.enqueue([
        { queue: "q", type: "t", payload: null },
        { queue: "q", type: "t", payload: null, orderingKey: "k" }
      ])
      yield* time.adjust("6 minutes")
      const [old] = yield* findings("backlog")
      assert.strictEqual(old?.status, "warn")
      assert.include(old?.message ?? "", "2 jobs are ready, the oldest for 36")
      yield* time.adjust("-6 minutes")
    }).pipe(provide(TenantId.make("acme")))
  )

  it.effect("tells of leases that nobody takes back", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* statusOf("leases"), ["ok"])
      yield* sql`
        INSERT INTO hm_event_lease (tenant_id, batch_id, queue, worker_id, lease_until, jobs_count, jobs, payloads)
        VALUES ('acme', gen_random_uuid(), 'q', gen_random_uuid(), now() - interval '1 minute', 0, '[]', '{}')
      `
      assert.deepStrictEqual(yield* statusOf("leases"), ["fail"])
    })
  )

  it.effect("tells of a clock that differs from the database's", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      // A server that takes more than a second to answer leaves the difference unknown.
      const compared = (aheadMillis: number) =>
        findings("clock").pipe(
          Effect.provideService(
            Clock.Clock,
            ServerClock.shifted(clock, () => aheadMillis)
          ),
          Effect.repeat({ until: ([finding]) => !(finding?.message ?? "").includes("too busy") })
        )
      const statusAt = (aheadMillis: number) =>
        Effect.map(compared(aheadMillis), (list) => list.map(({ status }) => status))
      assert.deepStrictEqual(yield* statusAt(0), ["ok"])
      const [ahead] = yield* compared(2_700_000)
      assert.strictEqual(ahead?.status, "warn")
      assert.match(ahead?.message ?? "", /is (?:2699|2700)\.\d s ahead of the database's/)
      const [behind] = yield* compared(-77_000)
      assert.match(behind?.message ?? "", /is (?:76|77)\.\d s behind the database's/)
    })
  )

  it.effect("tells of missing partitions until they are made", () =>
    Effect.gen(function* () {
      const { partitions } = EventsDomain.domain
      assert.deepStrictEqual(
        yield* statusOf("partitions"),
        partitions.map(() => "fail")
      )
      yield* Effect.forEach(partitions, Partitions.maintain)
      assert.deepStrictEqual(
        yield* statusOf("partitions"),
        partitions.map(() => "ok")
      )
    })
  )

  it.effect("tells of a table that lost its autovacuum settings", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* statusOf("autovacuum"), ["ok"])
      yield* sql`ALTER TABLE hm_event_queue RESET (autovacuum_vacuum_scale_factor)`
      assert.deepStrictEqual(yield* statusOf("autovacuum"), ["warn"])
      yield* sql`ALTER TABLE hm_event_queue SET (autovacuum_vacuum_scale_factor = 0)`
    })
  )

  it.effect("keeps a large payload while a job refers to it, and drops its day when none does", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const time = yield* Now.TestNow
      const jobs = yield* WorkQueue.make({ prefix: "hm_event" })
      const body = EventsDomain.domain.partitions.find((one) => one.table === "hm_event_body")
      assert.isDefined(body)
      if (body === undefined) return
      const start = yield* Now.now
      yield* Partitions.maintain(body)
      yield* jobs.enqueue([{ queue: "large", type: "t", payload: "x".repeat(5_000) }])
      const day = start.toISOString().slice(0, 10).replaceAll("-", "")
      yield* time.adjust("40 days")
      assert.notInclude(yield* Partitions.maintain(body), `hm_event_body_p${day}`)
      yield* sql`DELETE FROM hm_event_queue WHERE queue = 'large'`
      assert.include(yield* Partitions.maintain(body), `hm_event_body_p${day}`)
      assert.lengthOf(yield* sql`SELECT 1 FROM hm_event_body`, 0)
      yield* time.set(start)
    }).pipe(provide(TenantId.make("acme")))
  )
})
