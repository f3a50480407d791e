/**
 * Handlers that do to a worker what handlers of real programs did: one queue for each kind, in the worker of the good ones.
 */
import * as Tenant from "@hypermarket/core/Tenant"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import { prefix } from "@hypermarket/events/Events"
import type * as QueueJob from "@hypermarket/queue/QueueJob"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import {
  attempts,
  blockMillis,
  deadlineMillis,
  deadlineOtherMillis,
  floodedQueue,
  type Kind,
  kinds,
  perFlood,
  queueOf
} from "./Plan.ts"

const Payload = Schema.Struct({ n: Schema.Int })
const decode = Schema.decodeUnknownEffect(Payload)

const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const cyclic = () => {
  const self: Record<string, unknown> = {}
  self["self"] = self
  return self
}

const refusal = new Error("a getter of the error")

/** Values that a handler may throw beside an `Error`. */
const nonErrors: ReadonlyArray<() => unknown> = [
  () => undefined,
  () => null,
  () => 0,
  () => "",
  () => 1n,
  () => Symbol("thrown"),
  () => () => undefined,
  revoked,
  cyclic,
  () => Object.create(null),
  () => ({
    get message() {
      throw refusal
    }
  }),
  () => ({
    get _tag() {
      throw refusal
    },
    toJSON: () => {
      throw refusal
    },
    [Symbol.toPrimitive]: () => {
      throw refusal
    }
  })
]

const megabytes10 = 10_000_000
const nested = () => {
  let error = new Error("the innermost")
  for (let n = 0; n < 20_000; n++) error = new Error(`level ${n}`, { cause: error })
  return error
}

const hugeErrors: ReadonlyArray<() => unknown> = [
  () => new Error("x".repeat(megabytes10)),
  nested,
  () => Array.from({ length: 500_000 }, (_, n) => n),
  () => Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [`field${n}`, n])),
  () => new AggregateError(Array.from({ length: 10_000 }, (_, n) => new Error(`one of many: ${n}`)))
]

const pick = (errors: ReadonlyArray<() => unknown>, n: number): unknown => errors[n % errors.length]?.()

/** In each way in which a program fails: at once or later, by a failure or a defect. */
const failing = (error: unknown, n: number): Effect.Effect<never, unknown> => {
  switch (n % 4) {
    case 0:
      return Effect.fail(error)
    case 1:
      return Effect.die(error)
    case 2:
      return Effect.andThen(Effect.sleep("2 millis"), Effect.fail(error))
    default:
      return Effect.andThen(Effect.sleep("2 millis"), Effect.die(error))
  }
}

const block = Effect.sync(() => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockMillis)
})

const flood = Effect.fnUntraced(function* () {
  const queue = yield* WorkQueue.make({ prefix })
  yield* queue.enqueue(
    Array.from({ length: perFlood }, () => ({ queue: floodedQueue, type: "0", payload: null }))
  )
})

type Run = (n: number) => Effect.Effect<unknown, unknown, SqlClient | Wakeup | Tenant.Tenant>

const runs: Readonly<Record<Exclude<Kind, "throws">, Run>> = {
  nonErrors: (n) => failing(pick(nonErrors, n), Math.floor(n / nonErrors.length)),
  hangs: () => Effect.never,
  ignoresDeadline: () => Effect.uninterruptible(Effect.never),
  floods: flood,
  hugeErrors: (n) => failing(pick(hugeErrors, n), n),
  blocks: () => block
}

const throwing = () => {
  throw new TypeError("thrown before there was an effect")
}

const endless: ReadonlySet<string> = new Set([queueOf("hangs"), queueOf("ignoresDeadline")])

const handlerOf = (
  queue: string,
  run: QueueJob.Handler<SqlClient | Wakeup>["run"],
  jobsMax = 1
): QueueJob.Handler<SqlClient | Wakeup> => ({
  queue,
  batchMax: jobsMax,
  concurrency: 4,
  transactional: false,
  retry: { attempts, base: "10 millis", max: "20 millis" },
  deadline: endless.has(queue) ? deadlineMillis : deadlineOtherMillis,
  run
})

const runOf = (kind: Kind): QueueJob.Handler<SqlClient | Wakeup>["run"] =>
  kind === "throws"
    ? throwing
    : ([job]) =>
        Effect.flatMap(decode(job?.payload), ({ n }) => runs[kind](n)).pipe(
          Tenant.provide(Tenant.TenantId.make(job?.tenantId ?? ""))
        )

export const handlers: ReadonlyArray<QueueJob.Handler<SqlClient | Wakeup>> = [
  ...kinds.map((kind) => handlerOf(queueOf(kind), runOf(kind))),
  handlerOf(floodedQueue, () => Effect.void, 100)
]
