/**
 * Posts facts of the shop to `/v1/events` as a client would: in batches, several requests in flight, each fact by its own
 * name, so that posting one again is answered "duplicate" and changes nothing.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as ApiClient from "../ApiClient.ts"
import { failed } from "../CommandFailed.ts"
import type { Fact } from "../superstore/Superstore.ts"
import type { Installation } from "./Part.ts"
import { Progress } from "./Progress.ts"

/** A transaction and a step of the progress bar each; an API takes 1,000 at most. */
const batchSize = 250
const requestsInFlight = 4

export const chunksOf = <A>(items: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size)
  )

/** Publishes the facts, in their order; requests that are in flight together may commit in any order. */
export const publish = Effect.fn("Facts.publish")(function* (
  installation: Installation,
  facts: ReadonlyArray<Fact>,
  onPosted: (count: number) => Effect.Effect<void> = () => Effect.void
) {
  const call = ApiClient.make(installation)
  const postBatch = Effect.fnUntraced(function* (batch: ReadonlyArray<Fact>) {
    yield* call(({ events }, options) =>
      events.publish({ body: batch.map((fact) => ({ ...fact })) }, options)
    ).pipe(ApiClient.orCommandFailed("Publishing"))
    yield* onPosted(batch.length)
  })
  yield* Effect.forEach(chunksOf(facts, batchSize), postBatch, {
    concurrency: requestsInFlight,
    discard: true
  })
})

/** Publishes the facts with a progress bar. */
export const post = Effect.fn("Facts.post")(function* (
  installation: Installation,
  label: string,
  facts: ReadonlyArray<Fact>
) {
  const progress = yield* Progress
  let posted = 0
  yield* publish(installation, facts, (count) => {
    posted += count
    return progress.bar(label, posted, facts.length)
  })
})

const pollInterval = Duration.millis(50)

/** Waits until every domain's handler has worked off what was published; a handler that gave up on a fact is named. */
export const settle = Effect.fn("Facts.settle")(function* (installation: Installation, label: string) {
  const call = ApiClient.make(installation)
  const progress = yield* Progress
  let most = 0
  const look = Effect.gen(function* () {
    const { items } = yield* call(({ queues }, options) => queues.list({}, options)).pipe(
      ApiClient.orCommandFailed("Counting events")
    )
    const handlers = items.filter(({ queue }) => queue.startsWith("handler."))
    const dead = handlers.filter((queue) => queue.dead > 0)
    if (dead.length > 0) {
      return yield* failed(
        `Handlers gave up on facts: ${dead.map(({ dead, queue }) => `${queue} (${dead})`).join(", ")}`
      )
    }
    const left = handlers.reduce((sum, { delayed, leased, ready }) => sum + ready + leased + delayed, 0)
    most = Math.max(most, left)
    if (most > 0) yield* progress.bar(label, most - left, most)
    return left
  })
  yield* look.pipe(Effect.repeat({ until: (left) => left === 0, schedule: Schedule.spaced(pollInterval) }))
})
