import { assert, layer } from "@effect/vitest"
import { type ClaimedJob, packed, unpackAll } from "@hypermarket/queue/internal/jobRow"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Now from "@hypermarket/core/Now"
import * as Tenant from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as Statements from "@hypermarket/queue/internal/statements"
import { tablesOf } from "@hypermarket/queue/internal/tables"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import type * as QueueJob from "@hypermarket/queue/QueueJob"
import * as QueueMigrations from "@hypermarket/queue/QueueMigrations"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"

const prefix = "hm_test"
const releases = { since: "0.1.0", oldestRelease: "0.1.0" }
const migrations = Migrations.make(
  "test",
  {
    "0001_queue": QueueMigrations.migration(1, prefix, releases),
    "0002_queue_job": QueueMigrations.migration(2, prefix, releases)
  },
  { release: "0.1.0" }
)

const TestLayer = Layer.mergeAll(Wakeup.layerSilent, Now.layerTest).pipe(
  Layer.provideMerge(TestDatabase.layer(migrations))
)

const queueOf = WorkQueue.make({ prefix })

/** xorshift32: a failure is repeated by its seed. */
const randomOf = (seed: number) => {
  let state = seed
  return (below: number) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

const uuidOf = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, "0")}`

/** Returns the ids of a tenant's jobs, one per table that has the job. */
const census = Effect.fnUntraced(function* (tenant: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly jobId: string }>`
    SELECT job_id::text AS "jobId"
      FROM (
      SELECT job_id
        FROM hm_test_queue
       WHERE tenant_id = ${tenant} AND ordering_key IS NULL
      UNION ALL
     SELECT job_id
       FROM hm_test_delayed
      WHERE tenant_id = ${tenant} AND ordering_key IS NULL
      UNION ALL
     SELECT job_id
       FROM hm_test_keyed
      WHERE tenant_id = ${tenant}
      UNION ALL
     SELECT job_id
       FROM hm_test_dead
      WHERE tenant_id = ${tenant}
      UNION ALL
      SELECT ${sql.literal(packed.jobId)}
        FROM hm_test_lease l
       CROSS JOIN LATERAL json_array_elements(l.jobs) e
       WHERE l.tenant_id = ${tenant} AND ${sql.literal(packed.orderingKey)} IS NULL AND NOT ${sql.literal(packed.seq)} = ANY (l.done)) j
     ORDER BY 1
  `
  return rows.map((row) => row.jobId)
})

/** Returns the keys with a wrong count of jobs, or without exactly one token while they have jobs. */
const brokenKeys = Effect.fnUntraced(function* (tenant: string) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql`
    SELECT k.ordering_key, k.pending, j.jobs, t.tokens
      FROM hm_test_key k
      CROSS JOIN LATERAL (
           SELECT count(*)::int AS jobs
             FROM hm_test_keyed d
            WHERE d.tenant_id = k.tenant_id AND d.queue = k.queue AND d.ordering_key = k.ordering_key) j
      CROSS JOIN LATERAL (
           SELECT count(*)::int AS tokens
             FROM (
             SELECT 1
               FROM hm_test_queue r
              WHERE r.tenant_id = k.tenant_id AND ltrim(r.queue, '!') = k.queue AND r.ordering_key = k.ordering_key
             UNION ALL
             SELECT 1
               FROM hm_test_delayed r
              WHERE r.tenant_id = k.tenant_id AND r.queue = k.queue AND r.ordering_key = k.ordering_key
             UNION ALL
             SELECT 1
               FROM hm_test_lease l
              CROSS JOIN LATERAL json_array_elements(l.jobs) e
              WHERE l.tenant_id = k.tenant_id AND ltrim(l.queue, '!') = k.queue AND ${sql.literal(packed.orderingKey)} = k.ordering_key
                AND NOT ${sql.literal(packed.seq)} = ANY (l.done)) u) t
     WHERE k.tenant_id = ${tenant}
       AND (k.pending <> j.jobs OR t.tokens <> (CASE WHEN j.jobs > 0 THEN 1 ELSE 0 END))
  `
})

layer(TestLayer, { excludeTestServices: true })("The statements of a queue", (it) => {
  for (const seed of [1, 20_261_124, 77_777_777]) {
    it.effect(`lose no job and make none, in any order of 200 moves (seed ${seed})`, () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const queue = yield* queueOf
        const statements = Statements.make(sql, tablesOf(prefix))
        const tenant = `t${seed}`
        const random = randomOf(seed)
        const time = yield* Now.TestNow
        const clock = { millis: Date.UTC(2026, 0, 1) }
        const nowOf = () => new Date(clock.millis)
        yield* time.set(nowOf())
        const expected = new Set<string>()
        const finished: Array<string> = []
        const bodies = new Map<string, string>()
        const flowsOf = Effect.map(statements.sweep, (flows) =>
          flows.filter((flow) => flow.tenantId === tenant)
        )
        let batches = seed
        const open: Array<{
          readonly batchId: string
          readonly flows: ReadonlyArray<{
            readonly queue: string
            readonly jobs: ReadonlyArray<ClaimedJob>
            readonly keyed: ReadonlyArray<ClaimedJob>
          }>
        }> = []

        const enqueue = Effect.gen(function* () {
          const jobs = Array.from({ length: 1 + random(6) }, (): QueueJob.NewJob => ({
            queue: ["a", "b"][random(2)] ?? "a",
            type: "t",
            payload: ["small", "\u0000\ud800", "x".repeat(2_000), null][random(4)] ?? null,
            priority: random(2),
            ...(random(2) === 0 ? { orderingKey: `k${random(3)}` } : {}),
            ...(random(4) === 0 ? { runAt: new Date(clock.millis + random(60_000)) } : {}),
            ...(random(5) === 0 ? { dedupe: { key: `d${random(4)}`, window: "1 hour" } } : {})
          }))
          const ids = yield* sql.withTransaction(queue.enqueue(jobs))
          for (const id of ids) if (!finished.includes(id)) expected.add(id)
        })

        const claim = Effect.gen(function* () {
          const flows = yield* flowsOf
          const flow = flows[random(Math.max(1, flows.length))]
          if (flow === undefined) return
          batches++
          const batchId = uuidOf(batches)
          const rows = yield* statements.claim({
            previous: undefined,
            flows: [{ ...flow, hint: 0, limit: 1 + random(8) }],
            batchId,
            workerId: batchId,
            leaseMillis: random(3) === 0 ? 1 : 600_000,
            keyedMax: 1 + random(10),
            flowBytesMax: random(2) === 0 ? 3_000 : 1_000_000,
            now: nowOf()
          })
          const claimed = rows.filter((row) => row.jobs !== null)
          if (claimed.length > 0) {
            open.push({
              batchId,
              flows: claimed.map((row) => ({
                queue: row.queue,
                jobs: unpackAll(tenant, row.queue, row.jobs, row.payloads, bodies, 1),
                keyed: unpackAll(tenant, row.queue, row.keyed, row.keyedPayloads, bodies, 1)
              }))
            })
          }
        })

        const acknowledge = Effect.gen(function* () {
          const [batch] = open.splice(random(Math.max(1, open.length)), 1)
          if (batch === undefined) return
          const done: Array<string> = []
          const doneBehind = new Map<number, ReadonlyArray<string>>()
          const named = (flow: string) => ({ tenant_id: tenant, queue: flow.replace("!", "") })
          const outcome = {
            failed: batch.flows.flatMap((flow) =>
              flow.jobs
                .filter((job) => job.orderingKey === undefined)
                .flatMap((job) => {
                  const fate = random(3)
                  if (fate === 0) {
                    done.push(job.jobId)
                    return []
                  }
                  const run_at = fate === 1 ? null : new Date(clock.millis + random(30_000)).toISOString()
                  return [
                    { ...named(flow.queue), seq: job.seq, attempt: 1, errors: [{ error: "x" }], run_at }
                  ]
                })
            ),
            keys: batch.flows.flatMap((flow) =>
              flow.jobs
                .filter((job) => job.orderingKey !== undefined)
                .map((token) => {
                  const behind = flow.keyed.filter((job) => job.orderingKey === token.orderingKey)
                  const ran = behind.slice(0, random(behind.length + 1))
                  done.push(...ran.map((job) => job.jobId))
                  doneBehind.set(
                    token.seq,
                    ran.map((job) => job.jobId)
                  )
                  const next = behind[ran.length]
                  const fate = random(3)
                  const buried =
                    next !== undefined && fate === 0 ? [{ seq: next.seq, attempt: 3, errors: [] }] : []
                  const isFailed = next !== undefined && fate === 1
                  return {
                    ...named(flow.queue),
                    ordering_key: token.orderingKey ?? "",
                    token: token.seq,
                    priority: token.priority,
                    done: ran.map((job) => job.seq),
                    buried,
                    failed: isFailed ? next.seq : null,
                    attempt: 1,
                    errors: [{ error: "x" }],
                    run_at: isFailed ? new Date(clock.millis + random(30_000)).toISOString() : null,
                    token_lost: 0,
                    token_singly: random(2)
                  }
                })
            )
          }
          const written = { tenants: [tenant], batchId: batch.batchId, queue: null, now: nowOf() }
          if (random(2) === 0) {
            // Some outcomes are written first, one of them twice.
            const failed = outcome.failed.filter(() => random(2) === 0)
            const keys = outcome.keys.filter(() => random(2) === 0)
            const leases = yield* statements.settle({ ...written, failed, keys })
            yield* statements.settle({ ...written, failed: failed.slice(0, 1), keys: keys.slice(0, 1) })
            if (leases > 0) {
              for (const id of keys.flatMap(({ token }) => doneBehind.get(token) ?? [])) {
                expected.delete(id)
                finished.push(id)
              }
            }
            if (random(2) === 0) {
              // The worker dies: what is written stays, and the rest runs again.
              yield* sql`
                UPDATE hm_test_lease
                   SET lease_until = now() - interval '1 second'
                 WHERE batch_id = ${batch.batchId}::uuid
              `
              yield* statements.reap(100, nowOf())
              return
            }
          }
          const flows = yield* statements.acknowledge({ ...written, ...outcome })
          // Without the lease nothing changes; otherwise the jobs have ended with this outcome.
          if (flows > 0) {
            for (const id of done) expected.delete(id)
            finished.push(...done)
          }
        })

        const progress = Effect.gen(function* () {
          const batch = open[random(Math.max(1, open.length))]
          const flow = batch?.flows[0]
          if (batch === undefined || flow === undefined) return
          const some = [...flow.jobs.filter((job) => job.orderingKey === undefined), ...flow.keyed].filter(
            () => random(2) === 0
          )
          // The jobs of a key end in order.
          const keyed = new Set<string>()
          const done = some.filter((job) => {
            if (job.orderingKey === undefined) return true
            const first = flow.keyed.find((each) => each.orderingKey === job.orderingKey)
            if (keyed.has(job.orderingKey) || first?.seq !== job.seq) return false
            keyed.add(job.orderingKey)
            return true
          })
          const seqs = done.map((job) => job.seq)
          const kept = yield* statements.progress([
            { tenant_id: tenant, queue: flow.queue, batch_id: batch.batchId, done: seqs }
          ])
          open.splice(open.indexOf(batch), 1)
          // The worker dies: its lease expires, and completed jobs do not run again.
          yield* sql`
            UPDATE hm_test_lease
               SET lease_until = now() - interval '1 second'
             WHERE batch_id = ${batch.batchId}::uuid
          `
          if (kept > 0) {
            for (const job of done) {
              expected.delete(job.jobId)
              finished.push(job.jobId)
            }
            yield* statements.reap(100, nowOf())
          }
        })

        const moves = [
          enqueue,
          enqueue,
          claim,
          claim,
          claim,
          acknowledge,
          acknowledge,
          progress,
          Effect.suspend(() => statements.reap(2, nowOf())),
          Effect.suspend(() => statements.moveDue(nowOf(), 1 + random(5))),
          Effect.suspend(() => {
            clock.millis += random(20_000)
            return time.set(nowOf())
          }),
          Effect.suspend(() => {
            const ids = Array.from(expected)
            const id = ids[random(Math.max(1, ids.length))] ?? uuidOf(0)
            const from = ["a", "b"][random(2)] ?? "a"
            return Effect.map(statements.cancel(tenant, from, id), (cancelled) => {
              if (cancelled > 0) {
                expected.delete(id)
                finished.push(id)
              }
            })
          }),
          Effect.suspend(() =>
            statements.redrive(
              tenant,
              ["a", "b"][random(2)] ?? "a",
              {
                type: null,
                jobIds: null,
                failure: null,
                diedFrom: null,
                diedBefore: null,
                limit: 1 + random(3)
              },
              random(2) === 0 ? null : 10,
              nowOf()
            )
          ),
          Effect.suspend(() => statements.prune(nowOf(), 5))
        ]
        for (let step = 0; step < 200; step++) {
          const move = random(moves.length)
          yield* Effect.asVoid(moves[move] ?? Effect.void)
          const what = `seed ${seed}, step ${step}, move ${move}`
          assert.deepStrictEqual(yield* census(tenant), Array.from(expected).toSorted(), what)
          assert.deepStrictEqual(yield* brokenKeys(tenant), [], what)
        }
        assert.isAbove(finished.length, 10)
      }).pipe(Tenant.provide(Tenant.TenantId.make(`t${seed}`)))
    )
  }
})
