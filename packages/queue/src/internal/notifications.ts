/** Signals between the processes of a queue. They are sent after the commit of the transaction that sends them. */
import type { Wakeup } from "@hypermarket/core/Wakeup"
import * as Effect from "effect/Effect"
import type { FlowRow } from "./statements/flow.ts"

/** Separates tenant, queue and priority in a signal: a character that no name has. */
const separator = "\u0002"

/** Begins no name of a tenant: all workers look for new jobs themselves. */
const anyFlow = "*"

/**
 * Maximum flows that one call names. An event for thousands of queues would send as many signals, and all workers would
 * receive them: beyond this number one sweep costs less.
 */
const flowsMax = 100

export interface Notifications {
  /** Wakes workers for flows that have new jobs. */
  readonly enqueued: (flows: Iterable<FlowRow>) => Effect.Effect<void>
  /** Makes workers read the settings of the queues. */
  readonly settingsChanged: Effect.Effect<void>
}

export const make = (wakeup: Wakeup["Service"], prefix: string): Notifications => ({
  enqueued: (flows) => {
    const payloads = new Set<string>()
    let last: FlowRow | undefined
    for (const flow of flows) {
      const { priority, queue, tenantId } = flow
      // Thousands of jobs in a row have the same flow.
      if (last?.tenantId === tenantId && last.queue === queue && last.priority === priority) continue
      last = flow
      if (payloads.size >= flowsMax) {
        payloads.add(anyFlow)
        break
      }
      payloads.add(tenantId + separator + queue + separator + priority)
    }
    return Effect.forEach(payloads, (payload) => wakeup.signal(prefix, payload), { discard: true })
  },
  settingsChanged: wakeup.signal(prefix, "")
})

/** Returns the flow of a signal, or what else has changed. */
export const parse = (payload: string): FlowRow | "settings" | "any" => {
  if (payload === "") return "settings"
  if (payload === anyFlow) return "any"
  const [tenantId = "", queue = "", priority = "0"] = payload.split(separator)
  return { tenantId, queue, priority: Number(priority) }
}
