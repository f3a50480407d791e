/**
 * What the peers' processes have in common with ours (`packages/events/benchmark/events/ours.ts`): the messages to and from the harness.
 */
import { setInterval } from "node:timers/promises"
import { payloadOf } from "../src/Payload.ts"

const sinceEpoch = () => performance.timeOrigin + performance.now()

export const settings = JSON.parse(process.env.BENCH_SETTINGS)
export const url = process.env.DATABASE_URL

const reportIntervalMillis = 20

/** Counts handled jobs and reports them, with the times of the first and the last. */
export const counter = () => {
  let count = 0
  let firstAt = 0
  let lastAt = 0
  let reported = 0
  let residentBytes = 0
  const report = () => {
    residentBytes = Math.max(residentBytes, process.memoryUsage.rss())
    if (count === reported) return
    reported = count
    process.send({ _tag: "Progress", count, firstAt, lastAt, residentBytes })
  }
  const reporting = async () => {
    for await (const _ of setInterval(reportIntervalMillis)) report()
  }
  reporting().catch((error) => process.stderr.write(`${error.stack}\n`))
  return (jobs) => {
    lastAt = sinceEpoch()
    if (count === 0) firstAt = lastAt
    count += jobs
  }
}

/** Says that it is ready, and waits for the start signal. */
export const untilTold = () =>
  new Promise((resolve) => {
    process.once("message", resolve)
    process.send({ _tag: "Ready" })
  })

/** Enqueues in statements of `chunk`; tells how long that took. */
export const fill = async (insert) => {
  const { bytes, chunk, jobs } = settings
  const chunks = []
  for (let n = 0; n < jobs; n += chunk) {
    chunks.push(Array.from({ length: Math.min(chunk, jobs - n) }, (_, index) => payloadOf(n + index, bytes)))
  }
  const startedAt = performance.now()
  for (const one of chunks) await insert(one)
  process.send({ _tag: "Took", millis: performance.now() - startedAt, jobs })
}

/** So many callers, each waiting for its job to be durable before it enqueues the next. */
export const oneByOne = async (add) => {
  const { bytes, callers, millis } = settings
  let jobs = 0
  const startedAt = performance.now()
  const call = async () => {
    while (performance.now() - startedAt < millis) await add(payloadOf(jobs++, bytes))
  }
  await Promise.all(Array.from({ length: callers }, call))
  process.send({ _tag: "Took", millis: performance.now() - startedAt, jobs })
}

/** Whenever told, one job into an idle worker: how long from the call that enqueues to the handler. */
export const latencies = async (add, onStart) => {
  let arrived = () => undefined
  onStart(() => arrived())
  for (let n = 0; ; n++) {
    await untilTold()
    const startedAt = performance.now()
    const started = new Promise((resolve) => {
      arrived = () => resolve(performance.now() - startedAt)
    })
    await add(payloadOf(n, settings.bytes))
    process.send({ _tag: "Latency", millis: await started })
  }
}
