/** Programs of Effect's workflow API, each with a journal of what its code did. */
import { Cause, Effect, Exit, Layer, Option, Schedule, Schema } from "effect"
import { Activity, DurableClock, DurableDeferred, Workflow } from "effect/workflow"

/** Entries of activities and compensations, in order, by the key of the execution. */
const journals = new Map<string, Array<string>>()

export const journalOf = (key: string): Array<string> => {
  const existing = journals.get(key)
  if (existing !== undefined) return existing
  const journal: Array<string> = []
  journals.set(key, journal)
  return journal
}

const note = (key: string, entry: string) => Effect.sync(() => void journalOf(key).push(entry))

const payload = { key: Schema.String }
const idempotencyKey = (input: { readonly key: string }) => input.key

const step = (key: string, name: string) =>
  Activity.make({ name, success: Schema.String, execute: Effect.as(note(key, name), `${name} done`) })

const undoable = (key: string, name: string) =>
  step(key, name).pipe(
    Workflow.withCompensation(() =>
      Activity.make({ name: `undo ${name}`, execute: note(key, `undo ${name}`) })
    )
  )

class Declined extends Schema.TaggedError<Declined>()("Declined", { reason: Schema.String }) {}

const paid = DurableDeferred.make("paid", { success: Schema.Number })

const Sleeps = Workflow.make("Sleeps", { payload, idempotencyKey, success: Schema.String })
const SleepsLive = Sleeps.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    yield* step(key, "before")
    yield* DurableClock.sleep({ name: "nap", duration: "30 millis", inMemoryThreshold: 0 })
    return yield* step(key, "after")
  })
)

const Retries = Workflow.make("Retries", { payload, idempotencyKey, success: Schema.Number, error: Declined })
const RetriesLive = Retries.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    return yield* Activity.make({
      name: "charge",
      success: Schema.Number,
      error: Declined,
      execute: Effect.gen(function* () {
        const attempt = yield* Activity.CurrentAttempt
        yield* note(key, `charge ${attempt}`)
        return attempt < 3 ? yield* new Declined({ reason: "busy" }) : attempt
      })
    }).pipe(Activity.retry({ times: 5 }))
  })
)

const Waits = Workflow.make("Waits", { payload, idempotencyKey, success: Schema.Number })
const WaitsLive = Waits.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    yield* step(key, "reserve")
    const amount = yield* DurableDeferred.await(paid)
    yield* step(key, "ship")
    return amount
  })
)

const Fails = Workflow.make("Fails", { payload, idempotencyKey, error: Declined })
const FailsLive = Fails.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    yield* undoable(key, "reserve")
    yield* undoable(key, "charge")
    yield* DurableClock.sleep({ name: "nap", duration: "20 millis", inMemoryThreshold: 0 })
    yield* Activity.make({
      name: "ship",
      error: Declined,
      execute: Effect.andThen(note(key, "ship"), Effect.fail(new Declined({ reason: "no carrier" })))
    })
  })
)

const Cancels = Workflow.make("Cancels", { payload, idempotencyKey })
const CancelsLive = Cancels.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    yield* undoable(key, "reserve")
    yield* undoable(key, "charge")
    yield* DurableDeferred.await(paid)
    yield* step(key, "ship")
  })
)

const Races = Workflow.make("Races", { payload, idempotencyKey, success: Schema.String })
const RacesLive = Races.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    const winner = yield* Activity.raceAll("carriers", [
      step(key, "fast"),
      Activity.make({
        name: "slow",
        success: Schema.String,
        execute: Effect.as(Effect.sleep("1 hour"), "slow")
      })
    ])
    yield* DurableClock.sleep({ name: "nap", duration: "20 millis", inMemoryThreshold: 0 })
    yield* step(key, "after")
    return winner
  })
)

const RacesSignal = Workflow.make("RacesSignal", { payload, idempotencyKey, success: Schema.String })
const RacesSignalLive = RacesSignal.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    yield* step(key, "reserve")
    return yield* DurableDeferred.raceAll({
      name: "paid or late",
      success: Schema.String,
      error: Schema.Never,
      effects: [
        Effect.as(DurableDeferred.await(paid), "paid"),
        Effect.as(DurableClock.sleep({ name: "late", duration: "1 hour", inMemoryThreshold: 0 }), "late")
      ]
    })
  })
)

const Child = Workflow.make("Child", { payload, idempotencyKey, success: Schema.String, error: Declined })
const ChildLive = Child.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    yield* step(key, "child before")
    yield* DurableClock.sleep({ name: "nap", duration: "20 millis", inMemoryThreshold: 0 })
    yield* step(key, "child after")
    return key.endsWith("declined") ? yield* new Declined({ reason: key }) : `of ${key}`
  })
)

const Parent = Workflow.make("Parent", { payload, idempotencyKey, success: Schema.Array(Schema.String) })
const ParentLive = Parent.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    yield* step(key, "parent before")
    const results = yield* Effect.forEach(
      ["a", "b", "declined"],
      (part) =>
        Child.execute({ key: `${key}/${part}` }).pipe(
          Effect.catchTag("Declined", (error) => Effect.succeed(`declined ${error.reason}`))
        ),
      { concurrency: "unbounded" }
    )
    yield* step(key, "parent after")
    return results
  })
)

const Suspends = Workflow.make("Suspends", {
  payload,
  idempotencyKey,
  success: Schema.String,
  error: Declined
}).annotate(Workflow.SuspendOnFailure, true)
const SuspendsLive = Suspends.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    yield* step(key, "reserve")
    // Not an activity: it is decided again by each run.
    if (!journalOf(key).includes("fixed")) {
      yield* note(key, "broken")
      return yield* new Declined({ reason: "broken" })
    }
    return yield* step(key, "ship")
  })
)

const Twice = Workflow.make("Twice", { payload, idempotencyKey, success: Schema.Array(Schema.String) })
const TwiceLive = Twice.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    const named = (name: string, result: string) =>
      Activity.make({
        name,
        success: Schema.String,
        execute: Effect.as(note(key, `${name} ${result}`), result)
      })
    return [yield* named("same", "first"), yield* named("same", "second"), yield* named("other", "third")]
  })
)

const Defects = Workflow.make("Defects", { payload, idempotencyKey })
const DefectsLive = Defects.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    yield* step(key, "before")
    yield* Effect.die(new Error("a mistake"))
  })
)

const Together = Workflow.make("Together", { payload, idempotencyKey, success: Schema.Array(Schema.String) })
const TogetherLive = Together.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    const results = yield* Effect.forEach(
      Array.from({ length: 5 }, (_, index) => `step ${index}`),
      (name) => Activity.make({ name, success: Schema.String, execute: Effect.succeed(name) }),
      { concurrency: "unbounded" }
    )
    yield* note(key, `${results.length} together`)
    return results
  })
)

export const workflows = Layer.mergeAll(
  SleepsLive,
  RetriesLive,
  WaitsLive,
  FailsLive,
  CancelsLive,
  RacesLive,
  RacesSignalLive,
  ChildLive,
  ParentLive,
  SuspendsLive,
  TwiceLive,
  DefectsLive,
  TogetherLive
)

const isSuspended = (result: Option.Option<Workflow.Result<unknown, unknown>>) =>
  Option.isSome(result) && result.value._tag === "Suspended"

/** Waits for a condition of an effect. */
export const until = <A, E, R>(self: Effect.Effect<A, E, R>, holds: (a: A) => boolean) =>
  Effect.repeat(self, { until: holds, schedule: Schedule.spaced("10 millis") })

const describe = <A, E>(exit: Exit.Exit<A, E>): unknown =>
  Exit.isSuccess(exit)
    ? exit.value
    : Cause.hasInterruptsOnly(exit.cause)
      ? "interrupted"
      : String(Cause.squash(exit.cause))

const signal = (workflow: Workflow.Any, executionId: string, value: number) =>
  DurableDeferred.succeed(paid, {
    token: DurableDeferred.tokenFromExecutionId(paid, { workflow, executionId }),
    value
  })

/** Runs each program to its end. Returns its result; its journal is under its name. */
export const programs = {
  "an activity before a sleep is not run again after it": Sleeps.execute({ key: "sleeps" }),
  "a retry runs the activity with the next attempt": Retries.execute({ key: "retries" }),
  "a signal wakes an execution that waits": Effect.gen(function* () {
    const executionId = yield* Waits.execute({ key: "waits" }, { discard: true })
    yield* until(Waits.poll(executionId), isSuspended)
    yield* signal(Waits, executionId, 7)
    return yield* Waits.execute({ key: "waits" })
  }),
  "the first of two signals counts": Effect.gen(function* () {
    const executionId = yield* Waits.execute({ key: "first" }, { discard: true })
    yield* until(Waits.poll(executionId), isSuspended)
    yield* signal(Waits, executionId, 1)
    yield* signal(Waits, executionId, 2)
    return yield* Waits.execute({ key: "first" })
  }),
  "a failure runs the compensations in reverse": Effect.map(
    Effect.exit(Fails.execute({ key: "fails" })),
    describe
  ),
  "an interrupt while it waits runs the compensations in reverse": Effect.gen(function* () {
    const executionId = yield* Cancels.execute({ key: "cancels" }, { discard: true })
    yield* until(Cancels.poll(executionId), isSuspended)
    yield* Cancels.interrupt(executionId)
    const result = yield* until(
      Cancels.poll(executionId),
      (polled) => Option.isSome(polled) && polled.value._tag === "Complete"
    )
    return Option.isSome(result) && result.value._tag === "Complete" ? describe(result.value.exit) : "none"
  }),
  "a race has one winner in every run": Races.execute({ key: "races" }),
  "a signal wins a race against a long sleep": Effect.gen(function* () {
    const executionId = yield* RacesSignal.execute({ key: "races signal" }, { discard: true })
    yield* until(RacesSignal.poll(executionId), isSuspended)
    yield* signal(RacesSignal, executionId, 3)
    return yield* RacesSignal.execute({ key: "races signal" })
  }),
  "a parent waits for its children": Parent.execute({ key: "parent" }),
  "a failure that suspends waits for a resume": Effect.gen(function* () {
    const executionId = yield* Suspends.execute({ key: "suspends" }, { discard: true })
    const suspended = yield* until(Suspends.poll(executionId), isSuspended)
    yield* note("suspends", "fixed")
    yield* Suspends.resume(executionId)
    const result = yield* Suspends.execute({ key: "suspends" })
    return [
      Option.isSome(suspended) && suspended.value._tag === "Suspended" && suspended.value.failed,
      result
    ]
  }),
  "a name that is used twice returns the first result": Twice.execute({ key: "twice" }),
  "a defect fails the execution": Effect.map(Effect.exit(Defects.execute({ key: "defects" })), describe),
  "activities run together": Together.execute({ key: "together" }),
  "an execution is run once per key": Effect.all([
    Sleeps.execute({ key: "once" }),
    Sleeps.execute({ key: "once" })
  ])
} as const

/** Forgets the journals, before the programs run on another engine. */
export const takeJournals = (): ReadonlyArray<readonly [string, ReadonlyArray<string>]> => {
  const taken = Array.from(journals).toSorted(([a], [b]) => (a < b ? -1 : 1))
  journals.clear()
  return taken
}
