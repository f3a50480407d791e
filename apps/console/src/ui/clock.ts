/** The time of the browser, to the second, for ages that move while they are looked at. */
import { useSyncExternalStore } from "react"

const stepMillis = 1_000

let now = new Date().getTime()
let timer: ReturnType<typeof setInterval> | undefined
const listeners = new Set<() => void>()

const tick = () => {
  now = new Date().getTime()
  for (const listener of listeners) listener()
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  timer ??= setInterval(tick, stepMillis)
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

export const useNow = (): number => useSyncExternalStore(subscribe, () => now)

/** Returns the time of the browser once, for what is decided when something is asked for. */
export const nowMillis = (): number => new Date().getTime()

/** Runs something after a delay. Returns what stops it. */
export const after = (millis: number, run: () => void): (() => void) => {
  const started = setTimeout(run, millis)
  return () => clearTimeout(started)
}
