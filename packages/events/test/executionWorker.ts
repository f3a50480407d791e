/** Workflows that note what they do, a worker that runs them, and their states. */
import { assert } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { Secrets } from "@hypermarket/core/Secrets"
import { SignedToken } from "@hypermarket/core/SignedToken"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as EventWorkflow from "@hypermarket/events/EventWorkflow"
import { WorkflowExecutions } from "@hypermarket/events/WorkflowExecutions"
import { WorkflowsApi } from "@hypermarket/events/WorkflowsApi"
import * as WorkflowToken from "@hypermarket/events/WorkflowToken"
import * as WorkflowsHttp from "@hypermarket/events/WorkflowsHttp"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import * as TestApi from "@hypermarket/testing/TestApi"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Effect, Layer, Schedule, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Activity, DurableClock, DurableDeferred, Workflow } from "effect/workflow"
import { randomBytes } from "node:crypto"

export const acme = TenantId.make("acme")
export const globex = TenantId.make("globex")

export const Base = TestApi.layer(WorkflowsApi, WorkflowsHttp.layer).pipe(
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
export const note = (entry: string) => Effect.sync(() => void journal.push(entry))
export const notesOf = (key: string) => journal.filter((entry) => entry.startsWith(`${key}:`))

export const until = <A, E, R>(self: Effect.Effect<A, E, R>, holds: (a: A) => boolean) =>
  Effect.repeat(self, { until: holds, schedule: Schedule.spaced("10 millis") })

export const untilNote = (entry: string) =>
  until(
    Effect.sync(() => journal.includes(entry)),
    (isThere) => isThere
  )

const payload = { key: Schema.String }
const idempotencyKey = (input: { readonly key: string }) => input.key

export const paid = DurableDeferred.make("paid", { success: Schema.Number })

/** Reserves, waits for the payment, ships. */
export const orderOf = (version: number) =>
  Workflow.make("order", { payload, idempotencyKey, success: Schema.Number }).annotate(
    EventWorkflow.Version,
    version
  )
export const orderLayer = (version: number) =>
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
export const order = orderOf(1)

export const Naps = Workflow.make("naps", { payload, idempotencyKey })
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
export const Works = Workflow.make("works", { payload, idempotencyKey })
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
export const Retries = Workflow.make("retries", { payload, idempotencyKey, error: Schema.String })
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
export const Writes = Workflow.make("writes", { payload, idempotencyKey, error: Schema.String })
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

export const Large = Workflow.make("large", { payload, idempotencyKey, success: Schema.Number })
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

export const waitsForMany = Array.from({ length: 3 }, (_, index) =>
  DurableDeferred.make(`signal ${index}`, { success: Schema.String })
)
export const Many = Workflow.make("many", { payload, idempotencyKey, success: Schema.Number })
const ManyLive = Many.toLayer(
  Effect.fnUntraced(function* () {
    let length = 0
    for (const deferred of waitsForMany) length += (yield* DurableDeferred.await(deferred)).length
    return length
  })
)

/** Waits for a signal while an activity works, which ends after the code has gone on. */
export const Both = Workflow.make("both", { payload, idempotencyKey, success: Schema.Number })
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

export const approved = DurableDeferred.make("approved", { success: Schema.String })

/** Sends a link, and waits until someone follows it. */
export const Approval = Workflow.make("approval", { payload, idempotencyKey, success: Schema.String })
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

export const Live = Layer.mergeAll(
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

export const stateOf = (id: string) =>
  Effect.flatMap(WorkflowExecutions, (executions) =>
    Effect.map(executions.get(id), ({ execution }) => execution.state)
  )

const final = ["succeeded", "failed", "cancelled", "killed"]

/** Fails when the execution ends in another state: it would never come to those. */
export const untilState = (id: string, ...states: ReadonlyArray<string>) =>
  Effect.tap(
    until(stateOf(id), (state) => states.includes(state) || final.includes(state)),
    (state) => Effect.sync(() => assert.include(states, state))
  )
