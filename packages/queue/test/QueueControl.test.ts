import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import * as Tenant from "@hypermarket/core/Tenant"
import * as QueueControl from "@hypermarket/queue/QueueControl"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { controlOf, handlerOf, jobs, layerQuiet, prefix, queueOf, until, worker } from "./queueFixture.ts"

const as = (name: string) => Tenant.provide(Tenant.TenantId.make(name))

layer(layerQuiet, { excludeTestServices: true })("QueueControl", (it) => {
  it.effect("counts the jobs of a tenant's queues by state, and those of no other tenant", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const control = yield* controlOf
      yield* queue.enqueue(jobs("counted", 3))
      yield* queue.enqueue(jobs("counted", 2, { orderingKey: "k" }))
      yield* queue.enqueue(jobs("counted", 1, { runAt: new Date((yield* Now.now).getTime() + 3_600_000) }))
      yield* queue.enqueue(jobs("elsewhere", 1)).pipe(as("control-other"))
      const states = yield* control.list
      assert.deepStrictEqual(
        states.map(({ dead, delayed, leased, queue: name, ready, version }) => ({
          name,
          ready,
          leased,
          delayed,
          dead,
          version
        })),
        [{ name: "counted", ready: 5, leased: 0, delayed: 1, dead: 0, version: 0 }]
      )
      assert.isUndefined(yield* control.get("elsewhere"))
    }).pipe(as("control-counted"))
  )

  it.effect("keeps settings with a version, and refuses a change of an older one", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const control = yield* controlOf
      assert.isUndefined(yield* control.configure("set", 0, { weight: 2 }))
      yield* queue.enqueue(jobs("set", 1))
      const first = yield* control.configure("set", 0, {
        weight: 2,
        rate: { max: 10, periodMillis: 1_000 }
      })
      assert.deepInclude(first, { weight: 2, concurrencyMax: null, version: 1 })
      const stale = yield* Effect.flip(control.configure("set", 0, { weight: 3 }))
      assert.deepInclude(stale, { _tag: "VersionStale", currentVersion: 1 })
      const second = yield* control.configure("set", 1, { rate: null })
      assert.deepInclude(second, { weight: 2, rate: null, version: 2 })
      yield* control.setPaused("set", true)
      assert.deepInclude(yield* control.get("set"), { paused: true, version: 3 })
    }).pipe(as("control-set"))
  )

  it.effect("lists a queue that exists by name only", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const control = yield* QueueControl.make({
        prefix,
        names: (tenantId) => sql`SELECT 'named' AS queue WHERE ${tenantId}::text = 'control-named'`
      })
      assert.deepInclude(yield* control.get("named"), { queue: "named", ready: 0, version: 0 })
      assert.lengthOf(yield* control.list, 1)
      assert.lengthOf(yield* control.list.pipe(as("control-unnamed")), 0)
    }).pipe(as("control-named"))
  )

  it.effect("pages through dead-lettered jobs, and redrives them with all their attempts", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const control = yield* controlOf
      yield* queue.enqueue(jobs("buried", 3, { attemptsMax: 1 }))
      yield* Effect.gen(function* () {
        yield* worker([handlerOf("buried", () => Effect.fail("no"))])
        yield* until(control.get("buried"), (state) => state?.dead === 3)
      }).pipe(Effect.scoped)
      // Numbers with one digit more come after those with one digit less.
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        UPDATE ${sql(`${prefix}_dead`)}
           SET seq = seq + 100000 - (SELECT max(seq) FROM ${sql(`${prefix}_dead`)} WHERE queue = 'buried')
         WHERE queue = 'buried'
      `
      const [first] = yield* control.deadLetters("buried", "0", 1)
      assert.deepInclude(first, { queue: "buried", type: "test", attempt: 1, orderingKey: null })
      const rest = yield* control.deadLetters("buried", first?.seq ?? "0", 10)
      assert.lengthOf(rest, 2)
      const [minute] = yield* control.minutes("buried")
      assert.deepInclude(minute, { jobs: 3, failed: 3 })
      assert.strictEqual(yield* control.discard("buried", { jobIds: [first?.jobId ?? ""], limit: 10 }), 1)
      assert.strictEqual(yield* control.redrive("buried", { limit: 10 }), 2)
      assert.deepInclude(yield* control.get("buried"), { ready: 2, dead: 0 })
    }).pipe(as("control-buried"))
  )

  it.effect("counts the unfinished jobs of ordering keys, in the order given", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const control = yield* controlOf
      yield* queue.enqueue(jobs("keys", 2, { orderingKey: "a" }))
      yield* queue.enqueue(jobs("keys", 1, { orderingKey: "b" }))
      const keys = ["none", "b", "a"].map((orderingKey) => ({
        tenantId: "control-keys",
        queue: "keys",
        orderingKey
      }))
      assert.deepStrictEqual(yield* control.countKeys(keys), [0, 1, 2])
      assert.deepStrictEqual(yield* control.countKeys([]), [])
    }).pipe(as("control-keys"))
  )

  it.effect("finds a dead and a delayed job by their ids, without reading the others of their queue", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const control = yield* controlOf
      const [dead] = yield* sql<{ readonly jobId: string }>`
        WITH buried AS (
          INSERT INTO ${sql(`${prefix}_dead`)} (tenant_id, queue, job_id, type, died_at)
          SELECT 'control-many', 'many', gen_random_uuid(), 'test', now()
            FROM generate_series(1, 3000)
          RETURNING job_id)
        SELECT job_id::text AS "jobId"
          FROM buried
        OFFSET 2500
         LIMIT 1
      `
      const [delayed] = yield* sql<{ readonly jobId: string }>`
        WITH later AS (
          INSERT INTO ${sql(`${prefix}_delayed`)} (tenant_id, queue, job_id, type, run_at)
          SELECT 'control-many', 'many', gen_random_uuid(), 'test', now() + interval '1 day'
            FROM generate_series(1, 3000)
          RETURNING job_id)
        SELECT job_id::text AS "jobId"
          FROM later
        OFFSET 2500
         LIMIT 1
      `
      const rowsRead = Effect.map(
        sql<{ readonly rows: number }>`
          SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int AS rows
            FROM pg_stat_xact_user_tables
           WHERE relname IN (${`${prefix}_dead`}, ${`${prefix}_delayed`})
        `,
        ([row]) => row?.rows ?? 0
      )
      // In one session, whose counts go on from those of the transaction before.
      const look = (jobId: string) =>
        sql.withTransaction(
          Effect.gen(function* () {
            const before = yield* rowsRead
            const { job } = yield* control.find("many", jobId)
            return [job?.state, (yield* rowsRead) - before]
          })
        )
      assert.deepStrictEqual(yield* look(dead?.jobId ?? ""), ["dead", 1])
      assert.deepStrictEqual(yield* look(delayed?.jobId ?? ""), ["delayed", 1])
      // Another queue's job, and a job that never existed.
      const elsewhere = yield* control.find("other", dead?.jobId ?? "")
      assert.deepStrictEqual(elsewhere, { job: undefined, unsearched: 0 })
      assert.deepStrictEqual(yield* look("00000000-0000-7000-8000-000000000000"), [undefined, 0])
      const stranger = yield* control.find("many", dead?.jobId ?? "").pipe(as("control-stranger"))
      assert.deepStrictEqual(stranger, { job: undefined, unsearched: 0 })
    }).pipe(as("control-many"))
  )
})
