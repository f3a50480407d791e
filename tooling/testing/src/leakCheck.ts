/**
 * Fails a test file that leaves something running: a child process, a timer, a socket. A fibre that sleeps holds a
 * timer, one that waits for I/O a socket, so leaked fibres show here too. Connections are checked by `TestDatabase`,
 * which knows the database that must be empty.
 */
import { setTimeout } from "node:timers/promises"
import { afterAll, assert, beforeAll } from "vitest"

const watched = ["Timeout", "TCPSocketWrap", "TCPServerWrap", "ProcessWrap"]

const count = (): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const name of process.getActiveResourcesInfo()) {
    if (watched.includes(name)) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}

/**
 * A socket that was closed goes when the other side has answered, which takes its time on a busy machine. Turns of the
 * event loop were not patient enough: 20,000 of them pass in a few hundredths of a second.
 */
const patience = { times: 500, millis: 10 }

let before = new Map<string, number>()

const leaks = () => Array.from(count()).filter(([name, many]) => many > (before.get(name) ?? 0))

beforeAll(() => {
  before = count()
})

afterAll(async () => {
  for (let i = 0; i < patience.times && leaks().length > 0; i++) await setTimeout(patience.millis)
  const left = leaks()
  assert.deepStrictEqual(
    left,
    [],
    `this file leaves resources open: ${left.map(([name, many]) => `${name}: ${many - (before.get(name) ?? 0)}`).join(", ")}`
  )
})
