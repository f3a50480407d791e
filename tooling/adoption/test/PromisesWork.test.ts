/** Handlers of queues as async functions, of a program without Effect. */
import { assert, layer } from "@effect/vitest"
import { JobRejected, JobSnoozed } from "@hypermarket/queue/QueueJob"
import { Effect } from "effect"
import { setTimeout as delay } from "node:timers/promises"
import * as Door from "./suites/door.ts"

layer(Door.layerDatabase, { excludeTestServices: true })("A transactional handler", (it) => {
  it.effect("has its writes exactly once: none of a call that throws, and none of a rejected job", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const acme = hm.tenant("ledger")
      yield* Effect.promise(async () => {
        await hm.transaction("ledger", (tx) => tx.query("CREATE TABLE ledger (entry text)"))
        const attempts = new Map<unknown, number>()
        await hm.work([
          {
            queue: "ledger",
            transactional: true,
            retry: { base: 1, max: 1 },
            run: async ({ payload, type }, { query, tenant }) => {
              const attempt = (attempts.get(type) ?? 0) + 1
              attempts.set(type, attempt)
              await query("INSERT INTO ledger VALUES ($1)", [payload])
              await tenant.events.publish([{ id: `${type}:booked`, type: "com.example.booked" }])
              if (type === "flaky" && attempt === 1) throw new Error("busy")
              if (type === "wrong") throw new JobRejected({ message: "no such account" })
            }
          }
        ])
        await acme.queues.enqueue(
          "ledger",
          ["sound", "flaky", "wrong"].map((type) => ({ type, payload: type }))
        )
        const entries = () =>
          hm.transaction("ledger", (tx) => tx.query("SELECT entry FROM ledger ORDER BY entry"))
        while ((await entries()).length < 2 || (await acme.queues.dead("ledger", {})).items.length < 1) {
          await delay(10)
        }
        assert.deepStrictEqual(await entries(), [{ entry: "flaky" }, { entry: "sound" }])
        assert.deepStrictEqual(Object.fromEntries(attempts), { sound: 1, flaky: 2, wrong: 1 })
        const booked = await acme.events.publish(
          ["sound", "flaky", "wrong"].map((type) => ({ id: `${type}:booked`, type: "com.example.booked" }))
        )
        assert.deepStrictEqual(
          booked.map(({ state }) => state),
          ["duplicate", "duplicate", "accepted"]
        )
      })
    })
  )

  it.effect("has a signal that aborts at its deadline, and leaves no writes of that call", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      yield* Effect.promise(async () => {
        await hm.transaction("slow", (tx) => tx.query("CREATE TABLE slow (entry int)"))
        const aborted: Array<number> = []
        await hm.work([
          {
            queue: "slow",
            transactional: true,
            deadline: 100,
            retry: { base: 1, max: 1 },
            run: async ({ attempt }, { query, signal }) => {
              await query("INSERT INTO slow VALUES ($1)", [attempt])
              if (attempt > 0) return
              await new Promise((resolve) => signal.addEventListener("abort", resolve))
              aborted.push(attempt)
            }
          }
        ])
        await hm.tenant("slow").queues.enqueue("slow", [{ type: "slow", payload: null }])
        const entries = () => hm.transaction("slow", (tx) => tx.query("SELECT entry FROM slow"))
        while ((await entries()).length === 0) await delay(10)
        assert.deepStrictEqual([aborted, await entries()], [[0], [{ entry: 1 }]])
      })
    })
  )
})

layer(Door.layerDatabase, { excludeTestServices: true })("A handler", (it) => {
  it.effect("puts a job back that throws JobSnoozed, without a counted attempt, and has statements", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const seen: Array<unknown> = []
      yield* Effect.promise(async () => {
        await hm.work([
          {
            queue: "provider",
            run: async ({ attempt }, { query }) => {
              const [row] = await query("SELECT $1::int + 1 AS next", [seen.length])
              seen.push([attempt, row?.["next"]])
              if (seen.length === 1) throw new JobSnoozed({ message: "Retry-After", millis: 1 })
            }
          }
        ])
        await hm.tenant("patient").queues.enqueue("provider", [{ type: "call", payload: null }])
        while (seen.length < 2) await delay(10)
      })
      assert.deepStrictEqual(seen, [
        [0, 1],
        [0, 2]
      ])
    })
  )
})
