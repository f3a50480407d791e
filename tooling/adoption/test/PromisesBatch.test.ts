/** Handlers of batches as async functions, of a program without Effect. */
import { assert, layer } from "@effect/vitest"
import { JobRejected, JobSnoozed } from "@hypermarket/queue/QueueJob"
import { Effect } from "effect"
import { setTimeout as delay } from "node:timers/promises"
import * as Door from "./suites/door.ts"

const parcels = (types: ReadonlyArray<string>) => types.map((type) => ({ type, payload: { type } }))

layer(Door.layerDatabase, { excludeTestServices: true })("A handler of batches", (it) => {
  it.effect("gets jobs of one tenant together, completes them, and fails those that it names", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const calls: Array<ReadonlyArray<{ tenantId: string; type: string; attempt: number }>> = []
      const counted = () => calls.flat().length
      yield* Effect.promise(async () => {
        const north = hm.tenant("north")
        await north.queues.enqueue(
          "parcels",
          parcels(["sound-1", "flaky", "wrong", "busy", "sound-2", "sound-3"])
        )
        await hm.tenant("south").queues.enqueue("parcels", parcels(["sound-4", "sound-5"]))
        await hm.work([
          {
            queue: "parcels",
            batch: 40,
            retry: { base: 1, max: 1 },
            runBatch: async (jobs, { fail, tenant }) => {
              calls.push(jobs.map(({ attempt, tenantId, type }) => ({ attempt, tenantId, type })))
              for (const job of jobs) {
                assert.strictEqual(job.tenantId, tenant.id)
                if (job.type === "flaky" && job.attempt === 0) fail(job, new Error("no answer"))
                if (job.type === "wrong") fail(job, new JobRejected({ message: "no such address" }))
                const isFirst = calls.flat().filter(({ type }) => type === "busy").length === 1
                if (job.type === "busy" && isFirst) fail(job, new JobSnoozed({ message: "later", millis: 1 }))
              }
            }
          }
        ])
        while (counted() < 10 || (await north.queues.get("parcels")).ready > 0) await delay(10)
        const { items } = await north.queues.dead("parcels", {})
        assert.deepStrictEqual(
          items.map(({ attempt, type }) => [type, attempt]),
          [["wrong", 1]]
        )
      })
      const attempts: Record<string, ReadonlyArray<number>> = {}
      for (const { attempt, type } of calls.flat()) attempts[type] = [...(attempts[type] ?? []), attempt]
      assert.deepStrictEqual(attempts, {
        "sound-1": [0],
        flaky: [0, 1],
        wrong: [0],
        busy: [0, 0],
        "sound-2": [0],
        "sound-3": [0],
        "sound-4": [0],
        "sound-5": [0]
      })
      for (const jobs of calls) assert.lengthOf(new Set(jobs.map(({ tenantId }) => tenantId)), 1)
      assert.include(
        calls.map((jobs) => jobs.length),
        6
      )
    })
  )

  it.effect("that throws runs each of its jobs alone, and only the job at fault fails", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const calls: Array<ReadonlyArray<string>> = []
      yield* Effect.promise(async () => {
        const west = hm.tenant("west")
        await west.queues.enqueue("letters", parcels(["one", "torn", "three"]))
        await hm.work([
          {
            queue: "letters",
            retry: { attempts: 1 },
            runBatch: async (jobs) => {
              calls.push(jobs.map(({ type }) => type))
              if (jobs.some(({ type }) => type === "torn")) throw new Error("cannot be read")
            }
          }
        ])
        while ((await west.queues.dead("letters", {})).items.length < 1) await delay(10)
        const { items } = await west.queues.dead("letters", {})
        assert.deepStrictEqual(
          items.map(({ type }) => type),
          ["torn"]
        )
      })
      assert.deepStrictEqual(calls, [["one", "torn", "three"], ["one"], ["torn"], ["three"]])
    })
  )

  it.effect("refuses to fail a job of another call, and any job after its end", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const refusals: Array<unknown> = []
      yield* Effect.promise(async () => {
        await hm.tenant("east").queues.enqueue("cards", parcels(["first"]))
        const late = Promise.withResolvers<() => void>()
        await hm.work([
          {
            queue: "cards",
            runBatch: async (jobs, { fail }) => {
              const [job] = jobs
              if (job === undefined) return
              try {
                fail({ ...job }, new Error("a copy"))
              } catch (error) {
                refusals.push(error)
              }
              late.resolve(() => fail(job, new Error("too late")))
            }
          }
        ])
        const failLate = await late.promise
        // Its job is gone when the call has ended.
        while ((await hm.tenant("east").queues.get("cards")).ready > 0) await delay(10)
        try {
          failLate()
        } catch (error) {
          refusals.push(error)
        }
      })
      const errorOf = (message: string) => ({
        _tag: "InvalidArgument",
        method: "fail",
        errors: [{ path: [0], message }]
      })
      assert.lengthOf(refusals, 2)
      assert.deepInclude(refusals[0], errorOf("Expected a job of this call"))
      assert.deepInclude(refusals[1], errorOf("Expected a call that has not ended"))
    })
  )

  it.effect("is refused without its function, with both, and with a batch that no claim fills", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      const run = () => Promise.resolve()
      const refused = yield* Effect.promise(() =>
        Door.rejection(
          Door.untyped(hm.work, [
            { queue: "cards", batch: 7, run },
            { queue: "cards", run, runBatch: run },
            { queue: "cards", runBatch: "run" },
            { queue: "cards", batch: 501, runBatch: run },
            { queue: "cards", batch: 0, runBatch: run }
          ])
        )
      )
      assert.propertyVal(refused, "_tag", "InvalidArgument")
      const errors = refused instanceof Error && "errors" in refused ? refused.errors : []
      assert.deepStrictEqual(Array.isArray(errors) ? errors.map(({ path }) => path) : [], [
        [0, 0, "run"],
        [0, 1, "runBatch"],
        [0, 2, "runBatch"],
        [0, 3, "batch"],
        [0, 4, "batch"]
      ])
    })
  )
})

layer(Door.layerDatabase, { excludeTestServices: true })("A transactional handler of batches", (it) => {
  it.effect("leaves nothing of a job that it failed, and the writes of the others once", () =>
    Effect.gen(function* () {
      const hm = yield* Door.door()
      yield* Effect.promise(async () => {
        await hm.transaction("bank", (tx) => tx.query("CREATE TABLE booking (entry text)"))
        const bank = hm.tenant("bank")
        await bank.queues.enqueue("bookings", parcels(["rent", "overdraft", "salary"]))
        const sizes: Array<number> = []
        await hm.work([
          {
            queue: "bookings",
            batch: 12,
            transactional: true,
            runBatch: async (jobs, { fail, query }) => {
              sizes.push(jobs.length)
              for (const job of jobs) {
                await query("INSERT INTO booking VALUES ($1)", [job.type])
                if (job.type === "overdraft") fail(job, new JobRejected({ message: "not covered" }))
              }
            }
          }
        ])
        const entries = () =>
          hm.transaction("bank", (tx) => tx.query("SELECT entry FROM booking ORDER BY entry"))
        while ((await bank.queues.dead("bookings", {})).items.length < 1 || (await entries()).length < 2) {
          await delay(10)
        }
        assert.deepStrictEqual(await entries(), [{ entry: "rent" }, { entry: "salary" }])
        assert.deepStrictEqual(sizes, [3, 1, 1, 1])
      })
    })
  )
})
