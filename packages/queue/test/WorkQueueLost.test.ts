import { assert, layer } from "@effect/vitest"
import * as Tenant from "@hypermarket/core/Tenant"
import { Effect } from "effect"
import { acme, count, deadOf, jobs, layerQuiet, queueOf, statementsOf } from "./queueFixture.ts"

layer(layerQuiet, { excludeTestServices: true })("A job whose worker renews its lease no more", (it) => {
  it.effect(
    "is dead-lettered the fourth time, and the reason names the ended process and the blocked loop",
    () =>
      Effect.gen(function* () {
        const queue = yield* queueOf
        const statements = yield* statementsOf
        const now = new Date(performance.timeOrigin + performance.now())
        yield* queue.enqueue(jobs("blocked", 1))
        for (let lease = 1; lease <= 4; lease++) {
          assert.strictEqual(yield* count("dead", "blocked"), 0)
          // The second lease that is lost puts the job into quarantine: it runs alone from then on.
          const quarantined = lease > 2 ? "!" : ""
          const rows = yield* statements.claim({
            previous: undefined,
            flows: [{ tenantId: "acme", queue: `${quarantined}blocked`, priority: 0, hint: 0, limit: 9 }],
            batchId: `00000000-0000-7000-8000-00000000000${lease}`,
            workerId: "00000000-0000-7000-8000-000000000009",
            leaseMillis: 1,
            keyedMax: 9,
            flowBytesMax: 1_000_000,
            now
          })
          assert.strictEqual(rows[0]?.count, 1, `lease ${lease}`)
          yield* statements
            .reap(10, now)
            .pipe(
              Effect.andThen(count("lease", "blocked")),
              Effect.repeat({ until: (leases) => leases === 0 })
            )
        }
        const [dead] = yield* deadOf("blocked")
        assert.deepStrictEqual(
          dead?.errors.map(({ error }) => error),
          Array.from(
            { length: 4 },
            () =>
              "the worker was lost: its process ended, or its event loop was blocked for longer than the lease"
          )
        )
      }).pipe(Tenant.provide(acme))
  )
})
