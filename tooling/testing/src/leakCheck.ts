/**
 * Fails a test file that leaves something running: a child process, a timer, a socket. A fibre that sleeps holds a
 * timer, one that waits for I/O a socket, so leaked fibres show here too. Connections are checked by `TestDatabase`,
 * which knows the database that must be empty.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, assert, beforeAll } from "vitest"

declare global {
  /** The watched timers of this worker. */
  var hmTimers: Set<NodeJS.Timeout> | undefined
}

/**
 * Every timer that is made by the global functions from here on. The runner took the functions before this module ran, so
 * its own timers, which come and go at any time, are not among them. The files of a worker run one after another in the
 * same globals, so the functions are watched once.
 */
const isWatched = globalThis.hmTimers !== undefined
const timers = (globalThis.hmTimers ??= new Set<NodeJS.Timeout>())
/** After so many more the dead ones are dropped. */
const timersKept = 1_000
let timersMax = timersKept

/**
 * Returns true while the timer holds the process. Node keeps that it fired or was cleared in an undocumented property;
 * without the property every file would fail here.
 */
const isAlive = (timer: NodeJS.Timeout & { readonly _destroyed?: boolean }) =>
  timer.hasRef() && timer._destroyed !== true

const dropDeadTimers = () => {
  for (const timer of timers) if (!isAlive(timer)) timers.delete(timer)
}

const timersLeft = (): number => {
  dropDeadTimers()
  return timers.size
}

const watch = <Make extends (...args: never) => NodeJS.Timeout>(make: Make): Make =>
  new Proxy(make, {
    apply: (target, self, args) => {
      const timer: NodeJS.Timeout = Reflect.apply(target, self, args)
      timers.add(timer)
      if (timers.size > timersMax) {
        dropDeadTimers()
        timersMax = timers.size + timersKept
      }
      return timer
    }
  })

if (!isWatched) {
  globalThis.setTimeout = watch(globalThis.setTimeout)
  globalThis.setInterval = watch(globalThis.setInterval)
}

/** Resources of which Node reports the number only. */
const counted = ["TCPSocketWrap", "TCPServerWrap", "ProcessWrap"]

const count = (): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const name of process.getActiveResourcesInfo()) {
    if (counted.includes(name)) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}

/**
 * A socket that was closed goes when the other side has answered, and a library's timer when its connection has closed. Both
 * take their time on a busy machine. A loop that no test ended sets its next timer meanwhile.
 */
const patience = { times: 500, millis: 10 }

let before = new Map<string, number>()

const leaks = (): ReadonlyArray<readonly [string, number]> =>
  Array.from(count(), ([name, many]) => [name, many - (before.get(name) ?? 0)] as const).filter(
    ([, many]) => many > 0
  )

beforeAll(() => {
  before = count()
  timers.clear()
})

afterAll(async () => {
  for (let i = 0; i < patience.times && (timersLeft() > 0 || leaks().length > 0); i++) {
    await sleep(patience.millis)
  }
  const alive = timersLeft()
  const left = [...(alive > 0 ? [["Timeout", alive] as const] : []), ...leaks()]
  assert.deepStrictEqual(
    left,
    [],
    `this file leaves resources open: ${left.map(([name, many]) => `${name}: ${many}`).join(", ")}`
  )
})
