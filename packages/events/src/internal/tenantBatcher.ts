/** Gathers concurrent calls of one tenant into batches: while a batch runs, the next one gathers. */
import * as Storage from "@hypermarket/core/Storage"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { SqlError } from "effect/sql/SqlError"

/** True when the same statement may succeed later: it is not an item's fault. */
const isServerFailure = (cause: Cause.Cause<SqlError>): boolean =>
  Cause.hasInterruptsOnly(cause) ||
  cause.reasons.some((reason) => reason._tag === "Fail" && Storage.isRetryable(reason.error))

interface Call<Item, A> {
  readonly item: Item
  readonly resume: (exit: Exit.Exit<A, SqlError>) => void
}

type TenantId = Tenant["Service"]["id"]

/**
 * Makes a function that adds an item to the tenant's next batch, and ends with the batch. `run` returns a result per item,
 * in their order. A tenant has one batch at a time, so that it holds one connection. A batch that fails for another reason
 * than the server runs again item by item, so that a bad item does not fail the others.
 */
export const make = Effect.fnUntraced(function* <Item, A>(options: {
  /** Maximum items per batch. More wait for the next one. */
  readonly max: number
  readonly run: (items: ReadonlyArray<Item>) => Effect.Effect<ReadonlyArray<A>, SqlError, Tenant>
}) {
  const { max, run } = options
  // Not in the fiber of a caller: the batch would end with it, and its spans would be those of the first caller.
  const detached = yield* Effect.context()
  const waiting = new Map<TenantId, Array<Call<Item, A>>>()

  const runCalls = (calls: ReadonlyArray<Call<Item, A>>): Effect.Effect<void, never, Tenant> =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(run(calls.map(({ item }) => item)))
      if (Exit.isFailure(exit)) {
        if (calls.length > 1 && !isServerFailure(exit.cause)) {
          return yield* Effect.forEach(calls, (call) => runCalls([call]), { discard: true })
        }
        const failed = Exit.failCause(exit.cause)
        return calls.forEach(({ resume }) => resume(failed))
      }
      calls.forEach(({ resume }, index) => {
        const result = exit.value[index]
        resume(result === undefined ? Exit.die("A batch returned too few results") : Exit.succeed(result))
      })
    })

  const loop = (tenantId: TenantId) =>
    Effect.gen(function* () {
      // Calls that are running now join the first batch.
      yield* Effect.yieldNow
      for (;;) {
        const calls = waiting.get(tenantId)?.splice(0, max) ?? []
        if (calls.length === 0) break
        yield* runCalls(calls)
      }
      waiting.delete(tenantId)
    }).pipe(Effect.provideService(Tenant, { id: tenantId }))

  return (item: Item): Effect.Effect<A, SqlError, Tenant> =>
    Effect.flatMap(Tenant, ({ id }) =>
      Effect.callback<A, SqlError>((resume) => {
        const call: Call<Item, A> = { item, resume }
        const calls = waiting.get(id)
        if (calls === undefined) {
          waiting.set(id, [call])
          Effect.runForkWith(detached)(loop(id))
        } else calls.push(call)
        // An interrupted call whose batch has not started does nothing.
        return Effect.sync(() => {
          const added = waiting.get(id)
          const at = added?.indexOf(call) ?? -1
          if (at >= 0) added?.splice(at, 1)
        })
      })
    )
})
