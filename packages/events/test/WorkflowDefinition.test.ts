import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { connect } from "@hypermarket/core/Promises"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { defineWorkflow, StepFailed, WorkflowFailed } from "@hypermarket/events/WorkflowDefinition"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect } from "effect"
import { setTimeout as delay } from "node:timers/promises"

const journal: Array<string> = []
const note = (entry: string) => void journal.push(entry)
const notesOf = (key: string) => journal.filter((entry) => entry.startsWith(`${key}:`))

interface Order {
  readonly orderId: string
  readonly lines: ReadonlyArray<{ readonly lineId: string }>
}

const order = defineWorkflow(
  "order",
  { version: 2, key: (input: Order) => input.orderId },
  async (step, input) => {
    const { lines, orderId } = input
    const held = await step.run(
      "reserve",
      () => {
        note(`${orderId}:reserve`)
        return { count: lines.length, at: new Date(0) }
      },
      { undo: ({ count }) => note(`${orderId}:release ${count}`) }
    )
    await step.run("charge", () => note(`${orderId}:charge`), { undo: () => note(`${orderId}:refund`) })
    if ((await step.signal("paid", { timeout: orderId === "late" ? 50 : "3 days" })) === undefined) {
      throw new WorkflowFailed("not paid")
    }
    await Promise.all(
      lines.map((line) =>
        step.run(`ship ${line.lineId}`, ({ idempotencyKey }) => {
          note(`${orderId}:ship ${line.lineId} ${idempotencyKey.length}`)
        })
      )
    )
    return held
  }
)

const flaky = defineWorkflow(
  "flaky",
  { key: (input: { readonly id: string }) => input.id },
  async (step, { id }) => {
    let count = 0
    const attempt = await step.run(
      "call",
      () => {
        note(`${id}:call`)
        if (++count < 3) throw new Error("busy")
        return count
      },
      { attempts: 5, backoff: 1 }
    )
    await step.sleep("nap", 10)
    try {
      await step.run("break", () => {
        throw new RangeError("no such thing")
      })
    } catch (error) {
      if (!(error instanceof StepFailed)) throw error
      return { attempt, error: [error.step, error.reason, error.message] }
    }
    return undefined
  }
)

const parent = defineWorkflow(
  "parent",
  { key: (input: { readonly id: string }) => input.id },
  async (step, { id }) => {
    const child = await step.child(flaky, { id: `${id} child` })
    await step.run("after", () => note(`${id}:after`))
    return child?.attempt
  }
)

const Database = TestDatabase.layer(CoreDomain.migrations, EventsDomain.domain.migrations)

const withDoor = <A>(
  use: (hm: Awaited<ReturnType<typeof open>>) => Promise<A>
): Effect.Effect<A, never, TestDatabase.TestDatabase> =>
  Effect.gen(function* () {
    const { url } = yield* TestDatabase.TestDatabase
    return yield* Effect.promise(async () => {
      const hm = await open(url)
      try {
        return await use(hm)
      } finally {
        await hm.close()
      }
    })
  })

const open = (connectionString: string) =>
  connect({ connectionString, domains: [EventsDomain], pool: { max: 4 } })

layer(Database, { excludeTestServices: true })("A workflow of async functions", (it) => {
  it.effect("starts with the caller's transaction, waits for a signal, and runs each step once", () =>
    withDoor(async (hm) => {
      const acme = hm.tenant("acme")
      const worker = await hm.work([], { workflows: [order, flaky, parent] })
      const input = { orderId: "o-1", lines: [{ lineId: "a" }, { lineId: "b" }] }
      const id = order.executionId("o-1")
      await hm
        .transaction("acme", async (tx) => {
          await tx.workflows.start(order.execution({ ...input, orderId: "rolled back" }))
          throw new Error("no")
        })
        .catch(() => undefined)
      await hm.transaction("acme", (tx) => tx.workflows.start(order.execution(input)))
      await untilState(hm, id, "suspended")
      assert.deepStrictEqual(notesOf("o-1"), ["o-1:reserve", "o-1:charge"])
      await acme.workflows.signal(id, { name: "paid", value: { paymentId: "p-1" } })
      await untilState(hm, id, "succeeded")
      const { execution, result } = await acme.workflows.get(id)
      assert.strictEqual(execution.version, 2)
      assert.deepStrictEqual(result, { count: 2, at: "1970-01-01T00:00:00.000Z" })
      assert.deepStrictEqual(notesOf("o-1").toSorted(), [
        "o-1:charge",
        "o-1:reserve",
        "o-1:ship a 32",
        "o-1:ship b 32"
      ])
      const missing = await acme.workflows
        .get(order.executionId("rolled back"))
        .catch((error: unknown) => error)
      assert.propertyVal(missing, "_tag", "WorkflowNotFound")
      await worker.stop()
    })
  )

  it.effect("undoes its steps, last first, when it fails and when it is cancelled", () =>
    withDoor(async (hm) => {
      const acme = hm.tenant("acme")
      await hm.work([], { workflows: [order] })
      for (const orderId of ["late", "cancelled"]) {
        await acme.workflows.start(order.execution({ orderId, lines: [] }))
      }
      const cancelled = order.executionId("cancelled")
      await untilState(hm, cancelled, "suspended")
      await acme.workflows.cancel(cancelled)
      await untilState(hm, cancelled, "cancelled")
      const late = order.executionId("late")
      await untilState(hm, late, "failed")
      assert.include((await acme.workflows.get(late)).execution.error ?? "", "not paid")
      for (const key of ["late", "cancelled"]) {
        assert.deepStrictEqual(notesOf(key), [
          `${key}:reserve`,
          `${key}:charge`,
          `${key}:refund`,
          `${key}:release 0`
        ])
      }
    })
  )

  it.effect("tries a step again, throws a recorded error alike in each run, and waits for its child", () =>
    withDoor(async (hm) => {
      const acme = hm.tenant("acme")
      await hm.work([], { workflows: [flaky, parent] })
      await acme.workflows.start(parent.execution({ id: "p" }))
      await untilState(hm, parent.executionId("p"), "succeeded")
      assert.strictEqual((await acme.workflows.get(parent.executionId("p"))).result, 3)
      assert.deepStrictEqual(notesOf("p child"), ["p child:call", "p child:call", "p child:call"])
      assert.deepStrictEqual(notesOf("p"), ["p:after"])
      const child = await acme.workflows.get(flaky.executionId("p child"))
      assert.deepStrictEqual(child.result, {
        attempt: 3,
        error: ["break", "RangeError", "RangeError: no such thing"]
      })
    })
  )
})

layer(Database, { excludeTestServices: true })("A worker of the door", (it) => {
  it.effect("runs handlers with the services of the job's tenant, and stops with its connection", () =>
    withDoor(async (hm) => {
      const seen: Array<unknown> = []
      await hm.work([
        {
          queue: "mails",
          run: async (job, { tenant }) => {
            seen.push([tenant.id, job.payload, (await tenant.queues.get("mails")).queue])
          }
        }
      ])
      await hm.tenant("acme").queues.enqueue("mails", [{ type: "mail", payload: { to: "a" } }])
      while (seen.length === 0) await delay(10)
      assert.deepStrictEqual(seen, [["acme", { to: "a" }, "mails"]])
    })
  )

  it.effect("refuses a handler that no worker can run, naming the field", () =>
    withDoor(async (hm) => {
      const refused = await hm
        .work([{ queue: "job.x", deadline: "soon", run: async () => undefined }])
        .catch((error: unknown) => error)
      assert.propertyVal(refused, "_tag", "InvalidArgument")
      assert.include(JSON.stringify(refused), '[0,0,"queue"]')
      assert.include(JSON.stringify(refused), '[0,0,"deadline"]')
    })
  )
})

/** Waits until an execution of acme is in a state. */
const untilState = async (hm: Awaited<ReturnType<typeof open>>, id: string, state: string) => {
  const current = () =>
    hm
      .tenant("acme")
      .workflows.get(id)
      .then(({ execution }) => execution.state)
  while ((await current()) !== state) await delay(10)
}
