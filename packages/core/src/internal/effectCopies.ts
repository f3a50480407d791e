/**
 * Detects that a process has loaded effect twice. Of two versions, services, interruption and metrics of one may be unknown to
 * the other, and nothing else says so.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const ownFiber: unknown = Object.getPrototypeOf(Effect.runFork(Effect.void))
const ownLayer: unknown = Object.getPrototypeOf(Layer.empty)

/** The place of the copy that core has, where the runtime can tell. */
const ownPlace = (): string => {
  try {
    return ` (${import.meta.resolve("effect/Effect")})`
  } catch {
    return ""
  }
}

const messageOf = (who: string): string =>
  `Two copies of effect are loaded: ${who} has another one than @hypermarket/core${ownPlace()}. ` +
  "Find them with `npm ls effect`, `pnpm why effect` or `yarn why effect`, and install one version that all of them accept"

const warned = new Set<string>()

const warnOnce = (who: string): boolean => {
  if (warned.has(who)) return false
  warned.add(who)
  return true
}

/** Logs once when the program runs on another copy than core's. */
export const warnOfRuntime: Effect.Effect<void> = Effect.withFiber((fiber) =>
  Object.getPrototypeOf(fiber) === ownFiber || !warnOnce("the program")
    ? Effect.void
    : Effect.logWarning(messageOf("the program"))
)

/** Warns once when a domain's layer was made with another copy than core's. */
export const warnOfDomain = (name: string, layer: Layer.Any): void => {
  if (Object.getPrototypeOf(layer) === ownLayer || !warnOnce(name)) return
  process.emitWarning(messageOf(`the domain ${name}`), "HypermarketWarning")
}
