import { assert, layer } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { transaction } from "@hypermarket/core/Transaction"
import { Secrets } from "@hypermarket/core/Secrets"
import { SignedToken } from "@hypermarket/core/SignedToken"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as EventWorkflow from "@hypermarket/events/EventWorkflow"
import { executionId, WorkflowExecutions } from "@hypermarket/events/WorkflowExecutions"
import { WorkflowMaintenance } from "@hypermarket/events/WorkflowMaintenance"
import { WorkflowsApi } from "@hypermarket/events/WorkflowsApi"
import * as WorkflowToken from "@hypermarket/events/WorkflowToken"
import * as WorkflowsHttp from "@hypermarket/events/WorkflowsHttp"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import * as DoorIsolation from "@hypermarket/testing/DoorIsolation"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import * as TestApi from "@hypermarket/testing/TestApi"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Effect, Layer, Schedule, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Activity, DurableClock, DurableDeferred, Workflow } from "effect/workflow"
import { randomBytes } from "node:crypto"

const acme = TenantId.make("acme")
const globex = TenantId.make("globex")

const Base = TestApi.layer(WorkflowsApi, WorkflowsHttp.layer).pipe(
  Layer.provideMerge(SignedToken.layer.pipe(Layer.provide(Secrets.layer))),
  Layer.provideMerge(EventsDomain.layer),
  Layer.provideMerge(Wakeup.layerSilent),
  Layer.provideMerge(
    Layer.effect(
      ClaimClient,
      Effect.map(PgClient.PgClient, (client): SqlClient.SqlClient => client)
    )
  ),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, EventsDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest),
  // Below all layers: one of Secrets is shared by them, with the keys that it was built with.
  Layer.provideMerge(
    ConfigProvider.layer(
      ConfigProvider.fromUnknown({
        ...process.env,
        HM_SECRETS_KEYS: `test:${randomBytes(32).toString("base64")}`
      })
    )
  )
)

/** Entries of activities and compensations, each with its key. */
const journal: Array<string> = []
const note = (entry: string) => Effect.sync(() => void journal.push(entry))
const notesOf = (key: string) => journal.filter((entry) => entry.startsWith(`${key}:`))

const until = <A, E, R>(self: Effect.Effect<A, E, R>, holds: (a: A) => boolean) =>
  Effect.repeat(self, { until: holds, schedule: Schedule.spaced("10 millis") })

const untilNote = (entry: string) =>
  until(
    Effect.sync(() => journal.includes(entry)),
    (isThere) => isThere
  )

const payload = { key: Schema.String }
const idempotencyKey = (input: { readonly key: string }) => input.key

const paid = DurableDeferred.make("paid", { success: Schema.Number })

/** Reserves, waits for the payment, ships. */
const orderOf = (version: number) =>
  Workflow.make("order", { payload, idempotencyKey, success: Schema.Number }).annotate(
    EventWorkflow.Version,
    version
  )
const orderLayer = (version: number) =>
  orderOf(version).toLayer(
    Effect.fnUntraced(function* ({ key }) {
      yield* Activity.make({ name: "reserve", execute: note(`${key}:reserve ${version}`) }).pipe(
        Workflow.withCompensation(() => Activity.make({ name: "release", execute: note(`${key}:release`) }))
      )
      const amount = yield* DurableDeferred.await(paid)
      yield* Activity.make({ name: "ship", execute: note(`${key}:ship ${version}`) })
      return amount
    })
  )
const order = orderOf(1)

const Naps = Workflow.make("naps", { payload, idempotencyKey })
const NapsLive = Naps.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    yield* Activity.make({ name: "before", execute: note(`${key}:before`) }).pipe(
      Workflow.withCompensation(() => note(`${key}:undo`))
    )
    yield* DurableClock.sleep({ name: "nap", duration: "1 day", inMemoryThreshold: 0 })
    yield* note(`${key}:woken`)
  })
)

/** Waits inside an activity until it is cancelled or killed. */
const Works = Workflow.make("works", { payload, idempotencyKey })
const WorksLive = Works.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    yield* Activity.make({ name: "before", execute: note(`${key}:before`) }).pipe(
      Workflow.withCompensation(() => note(`${key}:undo`))
    )
    yield* Activity.make({
      name: "works",
      execute: Effect.andThen(
        note(`${key}:works`),
        Effect.sleep(key.includes("kill") ? "1 hour" : "400 millis")
      )
    })
    yield* Activity.make({ name: "after", execute: note(`${key}:after`) })
  })
)

/** Retries an activity that always fails. */
const Retries = Workflow.make("retries", { payload, idempotencyKey, error: Schema.String })
const RetriesLive = Retries.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    yield* Activity.make({ name: "before", execute: note(`${key}:before`) }).pipe(
      Workflow.withCompensation(() => note(`${key}:undo`))
    )
    yield* Activity.make({
      name: "fails",
      error: Schema.String,
      execute: Effect.andThen(note(`${key}:fails`), Effect.fail("no"))
    }).pipe(Activity.retry({ times: 100_000 }))
  })
)

/** Writes a row in the transaction of its activity. */
const Writes = Workflow.make("writes", { payload, idempotencyKey, error: Schema.String })
const WritesLive = Writes.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    const sql = yield* SqlClient.SqlClient
    const write = (name: string, isGood: boolean) =>
      Activity.make({
        name,
        error: Schema.String,
        execute: Effect.gen(function* () {
          yield* Effect.orDie(sql`INSERT INTO written VALUES (${`${key} ${name}`})`)
          if (!isGood) return yield* Effect.fail("no")
        })
      }).annotate(EventWorkflow.Transactional, true)
    yield* write("good", true)
    yield* write("bad", false)
  })
)

const Large = Workflow.make("large", { payload, idempotencyKey, success: Schema.Number })
const LargeLive = Large.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    const length = key === "too large" ? 2 ** 20 : 2 ** 20 - 200
    const text = yield* Activity.make({
      name: "download",
      success: Schema.String,
      execute: Effect.succeed("x".repeat(length))
    })
    yield* DurableClock.sleep({ name: "nap", duration: "10 millis", inMemoryThreshold: 0 })
    return text.length
  })
)

const waitsForMany = Array.from({ length: 3 }, (_, index) =>
  DurableDeferred.make(`signal ${index}`, { success: Schema.String })
)
const Many = Workflow.make("many", { payload, idempotencyKey, success: Schema.Number })
const ManyLive = Many.toLayer(
  Effect.fnUntraced(function* () {
    let length = 0
    for (const deferred of waitsForMany) length += (yield* DurableDeferred.await(deferred)).length
    return length
  })
)

/** Waits for a signal while an activity works, which ends after the code has gone on. */
const Both = Workflow.make("both", { payload, idempotencyKey, success: Schema.Number })
const BothLive = Both.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    const work = Activity.make({
      name: "works",
      execute: Effect.andThen(note(`${key}:works`), untilNote(`${key}:paid`)).pipe(Effect.asVoid)
    })
    const paidThen = Effect.tap(DurableDeferred.await(paid), () => note(`${key}:paid`))
    const [, amount] = yield* Effect.all([work, paidThen], { concurrency: 2 })
    return amount
  })
)

const approved = DurableDeferred.make("approved", { success: Schema.String })

/** Sends a link, and waits until someone follows it. */
const Approval = Workflow.make("approval", { payload, idempotencyKey, success: Schema.String })
const ApprovalLive = Approval.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    yield* Activity.make({
      name: "mail",
      execute: Effect.gen(function* () {
        const token = yield* Effect.orDie(WorkflowToken.make(approved, { expiresIn: "1 hour" }))
        yield* note(`${key}:${token}`)
      }).pipe(provide(acme))
    })
    return yield* DurableDeferred.await(approved)
  })
)

const Live = Layer.mergeAll(
  ApprovalLive,
  BothLive,
  orderLayer(1),
  NapsLive,
  WorksLive,
  RetriesLive,
  WritesLive,
  LargeLive,
  ManyLive
).pipe(Layer.provideMerge(EventWorkflow.layerWorker({ poll: "20 millis" })), Layer.provideMerge(Base))

const stateOf = (id: string) =>
  Effect.flatMap(WorkflowExecutions, (executions) =>
    Effect.map(executions.get(id), ({ execution }) => execution.state)
  )

const final = ["succeeded", "failed", "cancelled", "killed"]

/** Fails when the execution ends in another state: it would never come to those. */
const untilState = (id: string, ...states: ReadonlyArray<string>) =>
  Effect.tap(
    until(stateOf(id), (state) => states.includes(state) || final.includes(state)),
    (state) => Effect.sync(() => assert.include(states, state))
  )

layer(Live, { excludeTestServices: true })("An execution", (it) => {
  it.effect("gets a signal that arrives before its start", () =>
    Effect.gen(function* () {
      const id = executionId("order", "early")
      yield* DurableDeferred.succeed(paid, {
        token: DurableDeferred.tokenFromExecutionId(paid, { workflow: order, executionId: id }),
        value: 5
      })
      assert.strictEqual(yield* stateOf(id), "expected")
      assert.strictEqual(yield* order.execute({ key: "early" }), 5)
    }).pipe(provide(acme))
  )

  it.effect("goes on after a signal at once, and does not run again the activity that works meanwhile", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const id = yield* Both.execute({ key: "both" }, { discard: true })
      yield* untilNote("both:works")
      yield* executions.signal(id, { name: "paid", value: 4 })
      assert.strictEqual(yield* Both.execute({ key: "both" }), 4)
      assert.deepStrictEqual(
        notesOf("both").filter((entry) => entry === "both:works"),
        ["both:works"]
      )
    }).pipe(provide(acme))
  )

  it.effect("gets large signals at once, of many executions, in any order with its waits", () =>
    Effect.gen(function* () {
      const value = "y".repeat(2 ** 16)
      const keys = Array.from({ length: 40 }, (_, index) => `many ${index}`)
      const executions = yield* WorkflowExecutions
      const run = (key: string) =>
        Effect.gen(function* () {
          yield* executions.start({ name: "many", key, payload: { key } })
          yield* Effect.forEach(
            waitsForMany,
            ({ name }) => executions.signal(executionId("many", key), { name, value }),
            { concurrency: 3 }
          )
          return yield* Many.execute({ key })
        })
      const lengths = yield* Effect.forEach(keys, run, { concurrency: 10 })
      assert.deepStrictEqual(new Set(lengths), new Set([3 * value.length]))
    }).pipe(provide(acme))
  )

  it.effect("of two tenants with the same key is two executions", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const id = executionId("order", "shared")
      yield* order.execute({ key: "shared" }, { discard: true }).pipe(provide(acme))
      yield* order.execute({ key: "shared" }, { discard: true }).pipe(provide(globex))
      yield* untilState(id, "suspended").pipe(provide(acme))
      yield* untilState(id, "suspended").pipe(provide(globex))
      yield* executions.signal(id, { name: "paid", value: 1 }).pipe(provide(globex))
      yield* untilState(id, "succeeded").pipe(provide(globex))
      assert.strictEqual(yield* stateOf(id).pipe(provide(acme)), "suspended")
      assert.lengthOf(
        notesOf("shared").filter((entry) => entry.startsWith("shared:reserve")),
        2
      )
    })
  )

  it.effect(
    "is cancelled with its compensations while it waits, sleeps, works and retries",
    () =>
      Effect.gen(function* () {
        const executions = yield* WorkflowExecutions
        const cancelled = (id: string) => Effect.andThen(executions.cancel(id), untilState(id, "cancelled"))

        const waits = yield* order.execute({ key: "cancel waits" }, { discard: true })
        yield* untilState(waits, "suspended")
        yield* cancelled(waits)
        assert.deepStrictEqual(notesOf("cancel waits"), ["cancel waits:reserve 1", "cancel waits:release"])

        const naps = yield* Naps.execute({ key: "cancel naps" }, { discard: true })
        yield* untilState(naps, "suspended")
        yield* cancelled(naps)
        assert.deepStrictEqual(notesOf("cancel naps"), ["cancel naps:before", "cancel naps:undo"])

        const works = yield* Works.execute({ key: "cancel works" }, { discard: true })
        yield* untilNote("cancel works:works")
        yield* cancelled(works)
        assert.deepStrictEqual(notesOf("cancel works"), [
          "cancel works:before",
          "cancel works:works",
          "cancel works:undo"
        ])

        const retries = yield* Retries.execute({ key: "cancel retries" }, { discard: true })
        yield* untilNote("cancel retries:fails")
        yield* cancelled(retries)
        assert.strictEqual(notesOf("cancel retries").at(-1), "cancel retries:undo")
      }).pipe(provide(acme)),
    30_000
  )

  it.effect("is killed in each state, without compensations, and only once", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const waits = yield* order.execute({ key: "kill waits" }, { discard: true })
      yield* untilState(waits, "suspended")
      const works = yield* Works.execute({ key: "kill works" }, { discard: true })
      yield* untilNote("kill works:works")
      const { executionId: unknown } = yield* executions.start({
        name: "no such workflow",
        key: "k",
        payload: null
      })
      for (const id of [waits, works, unknown]) {
        yield* executions.kill(id)
        assert.strictEqual(yield* stateOf(id), "killed")
        const again = yield* Effect.flip(executions.kill(id))
        assert.strictEqual(again._tag, "WorkflowFinished")
        const cancel = yield* Effect.flip(executions.cancel(id))
        assert.strictEqual(cancel._tag, "WorkflowFinished")
      }
      assert.deepStrictEqual(notesOf("kill waits"), ["kill waits:reserve 1"])
      assert.deepStrictEqual(notesOf("kill works"), ["kill works:before", "kill works:works"])
    }).pipe(provide(acme))
  )

  it.effect(
    "without a worker for its version waits, is cancelled, and goes on when one is there",
    () =>
      Effect.gen(function* () {
        const executions = yield* WorkflowExecutions
        const second = yield* orderOf(2).execute({ key: "second" }, { discard: true })
        const dropped = yield* orderOf(2).execute({ key: "dropped" }, { discard: true })
        const first = yield* order.execute({ key: "first" }, { discard: true })
        yield* untilState(first, "suspended")
        yield* executions.cancel(dropped)
        assert.strictEqual(yield* stateOf(second), "ready")
        assert.strictEqual(yield* stateOf(dropped), "ready")
        yield* Effect.gen(function* () {
          yield* untilState(second, "suspended")
          yield* untilState(dropped, "cancelled")
          yield* executions.signal(second, { name: "paid", value: 2 })
          yield* executions.signal(first, { name: "paid", value: 1 })
          yield* untilState(second, "succeeded")
          yield* untilState(first, "succeeded")
        }).pipe(
          Effect.provide(
            Layer.fresh(orderLayer(2).pipe(Layer.provide(EventWorkflow.layerWorker({ poll: "20 millis" }))))
          )
        )
        assert.deepStrictEqual(notesOf("first"), ["first:reserve 1", "first:ship 1"])
        assert.deepStrictEqual(notesOf("second"), ["second:reserve 2", "second:ship 2"])
        assert.deepStrictEqual(notesOf("dropped"), [])
      }).pipe(provide(acme)),
    30_000
  )

  it.effect("that waits for a day is woken on the day", () =>
    Effect.gen(function* () {
      const time = yield* Now.TestNow
      const naps = yield* Naps.execute({ key: "day" }, { discard: true })
      yield* untilState(naps, "suspended")
      yield* time.adjust("25 hours")
      yield* untilState(naps, "succeeded")
      assert.deepStrictEqual(notesOf("day"), ["day:before", "day:woken"])
      yield* time.adjust("-25 hours")
    }).pipe(provide(acme))
  )

  it.effect("that waits does not block a queue of concurrency one", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        INSERT INTO hm_event_definition (tenant_id, queue, concurrency_max, updated_at)
        VALUES ('narrow', 'workflow.order.1', 1, now())
      `
      const ids = yield* Effect.forEach(["narrow 1", "narrow 2", "narrow 3"], (key) =>
        order.execute({ key }, { discard: true })
      )
      yield* Effect.forEach(ids, (id) => untilState(id, "suspended"))
    }).pipe(provide(TenantId.make("narrow")))
  )

  it.effect("exists if and only if the transaction that starts it commits", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const start = (key: string) => executions.start({ name: "naps", key, payload: { key } })
      yield* Effect.exit(transaction(Effect.andThen(start("rolled back"), Effect.fail("no"))))
      const missing = yield* Effect.flip(executions.get(executionId("naps", "rolled back")))
      assert.strictEqual(missing._tag, "WorkflowNotFound")
      const { executionId: id } = yield* transaction(start("committed"))
      yield* untilState(id, "suspended")
    }).pipe(provide(acme))
  )

  it.effect("commits the writes of a transactional activity with its result, or neither", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE written (entry text)`
      assert.strictEqual(yield* Effect.flip(Writes.execute({ key: "k" })), "no")
      assert.deepStrictEqual(yield* sql`SELECT entry FROM written`, [{ entry: "k good" }])
    }).pipe(provide(acme))
  )

  it.effect("keeps a result of 1 MiB, and fails by its name an activity with a larger one", () =>
    Effect.gen(function* () {
      assert.isAbove(yield* Large.execute({ key: "large" }), 1_000_000)
      const executions = yield* WorkflowExecutions
      yield* Effect.exit(Large.execute({ key: "too large" }))
      const { execution } = yield* executions.get(executionId("large", "too large"))
      assert.strictEqual(execution.state, "failed")
      assert.include(execution.error ?? "", "The result of download has")
    }).pipe(provide(acme))
  )

  it.effect("whose payload its code does not accept fails with the reason", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const { executionId: id } = yield* executions.start({ name: "naps", key: "odd", payload: { kee: 1 } })
      yield* untilState(id, "failed")
      const { execution } = yield* executions.get(id)
      assert.include(execution.error ?? "", "key")
    }).pipe(provide(acme))
  )

  it.effect("is deleted with its tasks 30 days after its end, and not before", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const maintenance = yield* WorkflowMaintenance
      const old = TenantId.make("old")
      yield* sql`
        INSERT INTO hm_workflow_execution (tenant_id, execution_id, name, version, state, payload, result, recorded_at, updated_at,
                                           finished_at)
        SELECT 'old', 'e' || days, 'order', 1, 'succeeded', 'null', 'null', now(), now(), now() - days * interval '1 day'
          FROM unnest(ARRAY[29, 31]) AS days
      `
      yield* sql`
        INSERT INTO hm_workflow_task (tenant_id, execution_id, kind, name, recorded_at)
        SELECT 'old', 'e' || days, 'activity', 'a', now()
          FROM unnest(ARRAY[29, 31]) AS days
      `
      yield* Effect.provideService(maintenance.prune, AllTenants, { actor: "test" })
      const executions = yield* WorkflowExecutions
      const { items } = yield* executions.list({}).pipe(provide(old))
      assert.deepStrictEqual(
        items.map((execution) => execution.executionId),
        ["e29"]
      )
      const tasks = yield* sql`
        SELECT 1
          FROM hm_workflow_task
         WHERE tenant_id = 'old'
      `
      assert.lengthOf(tasks, 1)
    })
  )

  it.effect(
    "is completed by a signed token, and by none that was altered, is of another signal, or has expired",
    () =>
      Effect.gen(function* () {
        const time = yield* Now.TestNow
        const id = yield* Approval.execute({ key: "approval" }, { discard: true }).pipe(provide(acme))
        yield* untilState(id, "suspended").pipe(provide(acme))
        const token = notesOf("approval")[0]?.slice("approval:".length) ?? ""
        const complete = (text: string) => WorkflowToken.succeed(approved, { token: text, value: "yes" })
        const altered = yield* Effect.flip(
          complete(`${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`)
        )
        assert.deepInclude(altered, { _tag: "TokenInvalid", reason: "invalid" })
        const other = yield* Effect.flip(WorkflowToken.succeed(paid, { token, value: 1 }))
        assert.deepInclude(other, { _tag: "TokenInvalid", reason: "invalid" })
        yield* time.adjust("2 hours")
        const expired = yield* Effect.flip(complete(token))
        assert.deepInclude(expired, { _tag: "TokenInvalid", reason: "expired" })
        yield* time.adjust("-2 hours")
        yield* complete(token)
        assert.strictEqual(yield* Approval.execute({ key: "approval" }).pipe(provide(acme)), "yes")
      })
  )

  it.effect("is in the timeline of its order with its tasks, page by page, and in no other's", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const { timeline } = yield* EventsDomain.domain.start
      assert.isDefined(timeline)
      if (timeline === undefined) return
      yield* executions.start({ name: "order", key: "shown", payload: { key: "shown", orderId: "o-7" } })
      yield* executions.start({ name: "order", key: "hidden", payload: { key: "hidden", orderId: "\u0000" } })
      const id = executionId("order", "shown")
      yield* executions.signal(id, { name: "paid", value: 3 })
      yield* untilState(id, "succeeded")
      const subject = { kind: "order", id: "o-7" } as const
      const whole = yield* timeline({ subject, before: undefined, limit: 10 })
      const shown = whole.map(({ data, kind }) =>
        kind === "workflow.task" && typeof data === "object" && data !== null && "task" in data
          ? data.task
          : kind
      )
      assert.sameMembers(shown, ["workflow.succeeded", "ship", "paid", "reserve", "workflow.started"])
      assert.strictEqual(shown.at(-1), "workflow.started")
      const paged: Array<(typeof whole)[number]> = []
      while (paged.length < whole.length) {
        const last = paged.at(-1)
        const before =
          last === undefined ? undefined : { at: new Date(last.at.epochMilliseconds), itemId: last.itemId }
        const page = yield* timeline({ subject, before, limit: 2 })
        assert.isNotEmpty(page)
        paged.push(...page)
      }
      assert.deepStrictEqual(paged, Array.from(whole))
      const other = yield* timeline({ subject, before: undefined, limit: 10 }).pipe(provide(globex))
      assert.deepStrictEqual(Array.from(other), [])
    }).pipe(Effect.scoped, Effect.provideService(AllTenants, { actor: "test" }), provide(acme))
  )

  it.effect("that has no worker is named by doctor, and in the alerts of its tenant, after a minute", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const time = yield* Now.TestNow
      yield* executions.start({ name: "orphan", version: 7, key: "k", payload: null })
      const messages = Effect.gen(function* () {
        const checks = EventsDomain.domain.checks.filter((check) => check.name === "workflows")
        const findings = yield* Effect.forEach(checks, (check) => check.run)
        return findings.flat().map((finding) => finding.message)
      })
      const orphan = "1 executions of orphan, version 7, have waited for a worker for more than 60 s"
      const started = yield* EventsDomain.domain.start
      const alerts = Effect.map(started.alerts ?? Effect.succeed([]), (list) =>
        list.filter(({ kind }) => kind === "workflow.waiting").map(({ subject, value }) => [subject, value])
      )
      assert.notInclude(yield* messages, orphan)
      assert.notDeepInclude(yield* alerts, ["orphan 7", 1])
      yield* time.adjust("2 minutes")
      assert.include(yield* messages, orphan)
      assert.deepInclude(yield* alerts, ["orphan 7", 1])
      assert.notDeepInclude(yield* alerts.pipe(provide(globex)), ["orphan 7", 1])
      yield* time.adjust("-2 minutes")
    }).pipe(Effect.scoped, Effect.provideService(AllTenants, { actor: "test" }), provide(acme))
  )

  it.effect("is inspected over HTTP with every task", () =>
    Effect.gen(function* () {
      const started = yield* TestApi.send("POST", "/v1/events/workflows", {
        body: { name: "order", key: "http", payload: { key: "http" } }
      })
      assert.strictEqual(started.status, 201)
      const id = executionId("order", "http")
      const path = `/v1/events/workflows/${id}`
      yield* untilState(id, "suspended").pipe(provide(acme))
      const signalled = yield* TestApi.send("POST", `${path}/signals`, { body: { name: "paid", value: 9 } })
      assert.strictEqual(signalled.status, 204)
      yield* untilState(id, "succeeded").pipe(provide(acme))
      const { body } = yield* TestApi.send("GET", path)
      assert.strictEqual(body.result, 9)
      // Positions of more than one digit are in the order of the numbers.
      const sql = yield* SqlClient.SqlClient
      yield* sql`ALTER TABLE hm_workflow_task ALTER COLUMN position SET GENERATED BY DEFAULT`
      const moved = yield* sql`
        UPDATE hm_workflow_task
           SET position = position + 10 - (SELECT max(position) FROM hm_workflow_task WHERE execution_id = ${id})
         WHERE execution_id = ${id}
        RETURNING position::text AS text
      `
      assert.includeMembers(
        moved.map(({ text }) => text),
        ["9", "10"]
      )
      const tasks = yield* TestApi.send("GET", `${path}/tasks`)
      assert.deepStrictEqual(
        Array.isArray(tasks.body.items)
          ? tasks.body.items.map((task) => [task.kind, task.name, task.outcome, task.result])
          : [],
        [
          ["activity", "reserve", "succeeded", null],
          ["signal", "paid", "succeeded", 9],
          ["activity", "ship", "succeeded", null]
        ]
      )
      const late = yield* TestApi.send("POST", `${path}/signals`, { body: { name: "paid" } })
      assert.strictEqual(late.status, 409)
    })
  )

  it.effect("pages through a list without a gap, newest first", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      yield* Effect.forEach(Array.from({ length: 5 }), (_, index) =>
        executions.start({ name: "no such workflow", key: `page ${index}`, payload: null })
      )
      const seen: Array<string> = []
      let cursor: string | null = null
      do {
        const page: {
          readonly items: ReadonlyArray<{ readonly executionId: string }>
          readonly nextCursor: string | null
        } = yield* executions.list({ limit: 2, state: "ready", ...(cursor === null ? {} : { cursor }) })
        seen.push(...page.items.map((execution) => execution.executionId))
        cursor = page.nextCursor
      } while (cursor !== null)
      assert.deepStrictEqual(
        seen,
        [4, 3, 2, 1, 0].map((index) => executionId("no such workflow", `page ${index}`))
      )
    }).pipe(provide(TenantId.make("pages")))
  )

  const seed = Effect.gen(function* () {
    const executions = yield* WorkflowExecutions
    const { executionId: id } = yield* executions.start({
      name: "isolated",
      key: "k",
      payload: { secret: true }
    })
    const path = `/v1/events/workflows/${id}`
    return {
      ownerKey: "owner",
      strangerKey: "stranger",
      params: { executionId: id },
      payloads: {
        startWorkflow: { name: "isolated", key: "another", payload: null },
        signalWorkflow: { name: "paid" }
      },
      watched: [path, `${path}/tasks`]
    }
  }).pipe(provide(TenantId.make("owner")))

  TenantIsolation.suite(it, WorkflowsApi, seed)

  DoorIsolation.suite(it, { domain: EventsDomain, services: ["workflows"], seed })
})
