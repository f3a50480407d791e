import { assert, layer } from "@effect/vitest"
import * as Database from "@hypermarket/core/Database"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, Effect, Layer, PubSub } from "effect"
import { SqlClient } from "effect/sql"

const TestLayer = Layer.unwrap(
  Effect.map(TestDatabase.TestDatabase, ({ options }) => Wakeup.layer(Database.listen(options)))
).pipe(Layer.provideMerge(TestDatabase.layer()))

/** The payloads on a channel until one arrives that ends it. */
const heardUntil = Effect.fnUntraced(function* (
  signals: PubSub.Subscription<Wakeup.Signal | undefined>,
  last: string
) {
  const payloads: Array<string> = []
  while (payloads.at(-1) !== last) {
    const signal = yield* PubSub.take(signals)
    if (signal !== undefined) payloads.push(signal.payload)
  }
  return payloads
})

/** Signals of another process. */
const other = Effect.map(Layer.build(Wakeup.layerSend), Context.get(Wakeup.Wakeup))

/** Signals from another process until it is heard: the connection that listens may still be on its way. */
const untilListening = Effect.fnUntraced(function* (signals: PubSub.Subscription<Wakeup.Signal | undefined>) {
  const wakeup = yield* other
  yield* wakeup
    .signal("test", "here?")
    .pipe(
      Effect.andThen(PubSub.take(signals).pipe(Effect.timeoutOption("100 millis"))),
      Effect.repeat({ until: (heard) => heard._tag === "Some" && heard.value !== undefined })
    )
})

layer(TestLayer, { excludeTestServices: true })("Wakeup", (it) => {
  it.effect("tells of a transaction that commits, and nothing of one that rolls back", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const wakeup = yield* other
      const { signals: heard } = yield* Wakeup.Wakeup
      const signals = yield* heard
      yield* untilListening(signals)
      yield* Effect.flip(
        sql.withTransaction(Effect.andThen(wakeup.signal("test", "rolled back"), Effect.fail("roll back")))
      )
      yield* sql.withTransaction(wakeup.signal("test", "committed"))
      assert.notInclude(yield* heardUntil(signals, "committed"), "rolled back")
    }).pipe(Effect.scoped)
  )

  it.effect("tells the own process once, and whatever became of the connection that listens", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const wakeup = yield* Wakeup.Wakeup
      const elsewhere = yield* other
      const signals = yield* wakeup.signals
      yield* untilListening(signals)
      yield* wakeup.signal("test", "own")
      yield* heardUntil(signals, "own")
      // The notification of it was sent before this one, and would be heard before it.
      yield* sql`SELECT 1`.pipe(Effect.andThen(elsewhere.signal("test", "other")))
      assert.notInclude(yield* heardUntil(signals, "other"), "own")
      yield* sql`
        SELECT pg_terminate_backend(pid)
          FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'
      `
      yield* wakeup.signal("test", "own")
      yield* heardUntil(signals, "own")
    }).pipe(Effect.scoped)
  )

  it.effect("gathers a burst: what is said a hundred times is not heard a hundred times", () =>
    Effect.gen(function* () {
      const wakeup = yield* other
      const { signals: heard } = yield* Wakeup.Wakeup
      const signals = yield* heard
      yield* untilListening(signals)
      yield* Effect.forEach(Array.from({ length: 100 }), () => wakeup.signal("test", "burst"))
      yield* wakeup.signal("test", "last")
      const payloads = yield* heardUntil(signals, "last")
      const bursts = payloads.filter((payload) => payload === "burst")
      assert.isAtLeast(bursts.length, 1)
      assert.isAtMost(bursts.length, 10)
    }).pipe(Effect.scoped)
  )
})
