/**
 * Marks the fibers that send and store reports: their errors and log lines are not reported, so that reporting cannot loop.
 */
import * as Context from "effect/Context"

export const Unreported = Context.Reference<boolean>("@hypermarket/observability/Unreported", {
  defaultValue: () => false
})
