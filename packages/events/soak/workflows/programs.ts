/** Workflows that note in a table what they do: sleeps, waits, children, races, compensations, cancellations. */
import { Effect, Layer, Schedule, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Activity, DurableClock, DurableDeferred, Workflow } from "effect/workflow"

const payload = { key: Schema.String, napMillis: Schema.Int }
const idempotencyKey = (input: { readonly key: string }) => input.key

/** Notes that an activity has started, outside of any transaction. Postgres is away at times. */
const note = Effect.fnUntraced(function* (key: string, entry: string) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO soak_note (key, entry)
    VALUES (${key}, ${entry})
  `.pipe(Effect.retry(Schedule.spaced("50 millis")), Effect.orDie)
})

/** Lasts long enough for kills to meet it. */
const work = Effect.sleep("15 millis")

const step = (key: string, name: string) =>
  Activity.make({
    name,
    success: Schema.String,
    execute: note(key, name).pipe(Effect.andThen(work), Effect.as(`${name} of ${key}`))
  })

const undoable = (key: string, name: string) =>
  step(key, name).pipe(Workflow.withCompensation(() => Effect.asVoid(step(key, `undo ${name}`))))

const nap = (name: string, millis: number) =>
  DurableClock.sleep({ name, duration: millis, inMemoryThreshold: 0 })

export const paid = DurableDeferred.make("paid", { success: Schema.Number })

class NoCarrier extends Schema.TaggedError<NoCarrier>()("NoCarrier", {}) {}

export const Sleeps = Workflow.make("soak sleeps", { payload, idempotencyKey, success: Schema.String })
const SleepsLive = Sleeps.toLayer(
  Effect.fnUntraced(function* ({ key, napMillis }) {
    yield* step(key, "first")
    yield* nap("one", napMillis)
    yield* step(key, "second")
    yield* nap("two", napMillis)
    return yield* step(key, "third")
  })
)

export const Waits = Workflow.make("soak waits", { payload, idempotencyKey, success: Schema.Number })
const WaitsLive = Waits.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    yield* step(key, "reserve")
    const amount = yield* DurableDeferred.await(paid)
    yield* step(key, "ship")
    return amount
  })
)

const Child = Workflow.make("soak child", { payload, idempotencyKey, success: Schema.String })
const ChildLive = Child.toLayer(
  Effect.fnUntraced(function* ({ key, napMillis }) {
    yield* step(key, "begin")
    yield* nap("nap", napMillis)
    return yield* step(key, "end")
  })
)

export const Parents = Workflow.make("soak parents", {
  payload,
  idempotencyKey,
  success: Schema.Array(Schema.String)
})
const ParentsLive = Parents.toLayer(
  Effect.fnUntraced(function* ({ key, napMillis }) {
    yield* step(key, "split")
    const results = yield* Effect.forEach(
      ["a", "b"],
      (part) => Child.execute({ key: `${key} ${part}`, napMillis }),
      { concurrency: "unbounded" }
    )
    yield* step(key, "join")
    return results
  })
)

export const Fails = Workflow.make("soak fails", { payload, idempotencyKey, error: NoCarrier })
const FailsLive = Fails.toLayer(
  Effect.fnUntraced(function* ({ key, napMillis }) {
    yield* undoable(key, "reserve")
    yield* undoable(key, "charge")
    yield* nap("nap", napMillis)
    yield* undoable(key, "pack")
    return yield* new NoCarrier()
  })
)

export const Races = Workflow.make("soak races", { payload, idempotencyKey, success: Schema.String })
const RacesLive = Races.toLayer(
  Effect.fnUntraced(function* ({ key, napMillis }) {
    const winner = yield* DurableDeferred.raceAll({
      name: "paid or late",
      success: Schema.String,
      error: Schema.Never,
      effects: [
        Effect.as(DurableDeferred.await(paid), "paid"),
        Effect.as(nap("late", key.includes("late") ? napMillis : 3_600_000), "late")
      ]
    })
    yield* step(key, `after ${winner}`)
    return winner
  })
)

/** Waits for a signal that does not come: it is cancelled. */
export const Cancels = Workflow.make("soak cancels", { payload, idempotencyKey })
const CancelsLive = Cancels.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    yield* undoable(key, "reserve")
    yield* undoable(key, "charge")
    yield* DurableDeferred.await(paid)
  })
)

export const workflows = Layer.mergeAll(
  SleepsLive,
  WaitsLive,
  ChildLive,
  ParentsLive,
  FailsLive,
  RacesLive,
  CancelsLive
)

/** Of the sessions of workers. */
export const applicationName = "hm-soak-worker"
