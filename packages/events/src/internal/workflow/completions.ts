/** Wakes callers of this process that wait for an execution, when a run of this process has finished it. */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

interface Waiting {
  readonly latch: Latch.Latch
  callers: number
}

export interface Completions {
  /** Waits until a run of this process has finished the execution: for ever, when another process does. */
  readonly wait: (tenantId: string, executionId: string) => Effect.Effect<void>
  readonly finished: (tenantId: string, executionId: string) => void
}

export const make = (): Completions => {
  const waiting = new Map<string, Waiting>()
  const keyOf = (tenantId: string, executionId: string) => `${tenantId}\u0000${executionId}`
  return {
    wait: (tenantId, executionId) => {
      const key = keyOf(tenantId, executionId)
      return Effect.acquireUseRelease(
        Effect.sync(() => {
          const existing = waiting.get(key) ?? { latch: Latch.makeUnsafe(false), callers: 0 }
          existing.callers++
          waiting.set(key, existing)
          return existing
        }),
        ({ latch }) => latch.await,
        (entry) =>
          Effect.sync(() => {
            entry.callers--
            if (entry.callers === 0 && waiting.get(key) === entry) waiting.delete(key)
          })
      )
    },
    finished: (tenantId, executionId) => {
      const key = keyOf(tenantId, executionId)
      waiting.get(key)?.latch.openUnsafe()
      waiting.delete(key)
    }
  }
}
