/**
 * Preloaded in a worker of a broken build: the job of a wake-up is enqueued after the transaction that stores its result,
 * and not in it.
 */
import { registerHooks } from "node:module"

const file = "/events/src/internal/workflow/operations.ts"
const clause = "if (woken.length > 0) yield* enqueue(tenantId, woken.map(jobOf))"
const instead =
  "if (woken.length > 0) yield* sql.afterCommit(Effect.orDie(enqueue(tenantId, woken.map(jobOf))))"

registerHooks({
  load: (url, context, nextLoad) => {
    const loaded = nextLoad(url, context)
    if (!url.endsWith(file)) return loaded
    const parts = String(loaded.source).split(clause)
    if (parts.length !== 2) throw new Error(`${file} has the clause ${parts.length - 1} times, not once`)
    return { ...loaded, source: parts.join(instead) }
  }
})
