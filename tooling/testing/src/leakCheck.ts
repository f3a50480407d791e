/**
 * Fails a test file that leaves something running: a child process, a timer, a socket. A fibre that sleeps holds a
 * timer, one that waits for I/O a socket, so leaked fibres show here too. Connections are checked by `TestDatabase`,
 * which knows the database that must be empty.
 */
import { setImmediate, setTimeout } from "node:timers/promises"
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
 * A socket that was closed goes when the other side has answered, which takes its time on a busy machine; a timer that was
 * cleared is gone after a turn of the event loop. Waiting as long for timers as for sockets would let a leaked one pass:
 * the runner's own come and go meanwhile, and only the number is known.
 */
const patience = { times: 500, millis: 10 }
const turns = 20

let before = new Map<string, number>()

const leaks = () => Array.from(count()).filter(([name, many]) => many > (before.get(name) ?? 0))

beforeAll(() => {
  before = count()
})

afterAll(async () => {
  for (let i = 0; i < turns && leaks().length > 0; i++) await setImmediate()
  const timers = leaks().filter(([name]) => name === "Timeout")
  const others = () => leaks().filter(([name]) => name !== "Timeout")
  for (let i = 0; i < patience.times && others().length > 0; i++) await setTimeout(patience.millis)
  const left = [...timers, ...others()]
  assert.deepStrictEqual(
    left,
    [],
    `this file leaves resources open: ${left.map(([name, many]) => `${name}: ${many - (before.get(name) ?? 0)}`).join(", ")}`
  )
})
