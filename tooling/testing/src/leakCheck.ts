/**
 * Fails a test file that leaves something running: a child process, a timer, a socket. A fibre that sleeps holds a
 * timer, one that waits for I/O a socket, so leaked fibres show here too. Connections are checked by `TestDatabase`,
 * which knows the database that must be empty.
 */
import { afterAll, assert, beforeAll } from "vitest"

const watched = ["Timeout", "TCPSocketWrap", "TCPServerWrap", "ProcessWrap"]

const count = (): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const name of process.getActiveResourcesInfo()) {
    if (watched.includes(name)) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}

/** Sockets and timers of what has just been closed need a few turns of the event loop to go. */
const patienceTurns = 400
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const pause = async () => {
  for (let i = 0; i < 50; i++) await turn()
}

let before = new Map<string, number>()

const leaks = () => Array.from(count()).filter(([name, many]) => many > (before.get(name) ?? 0))

beforeAll(() => {
  before = count()
})

afterAll(async () => {
  for (let i = 0; i < patienceTurns && leaks().length > 0; i++) await pause()
  const left = leaks()
  assert.deepStrictEqual(
    left,
    [],
    `this file leaves resources open: ${left.map(([name, many]) => `${name}: ${many - (before.get(name) ?? 0)}`).join(", ")}`
  )
})
