/**
 * pg-boss in `bench events`: batches, fetched one after the other while they come back full, by several workers of the
 * process; woken by NOTIFY when idle (https://pgboss.io/api/workers).
 */
import { PgBoss } from "pg-boss"
import { counter, fill, latencies, oneByOne, settings, untilTold, url } from "./engine.js"

const queue = "noop"

const boss = new PgBoss({
  connectionString: url,
  max: Math.max(10, settings.callers ?? 0),
  useListenNotify: settings.command === "latency",
  supervise: false,
  schedule: false
})
boss.on("error", (error) => process.stderr.write(`${error.stack}\n`))
await boss.start()

const options = {
  batchSize: settings.batchSize ?? 1,
  localConcurrency: settings.localConcurrency ?? 1,
  pollingIntervalSeconds: 0.5,
  burstWhenBatchFull: true
}

switch (settings.command) {
  case "setup": {
    await boss.createQueue(queue, { partition: true })
    process.send({ _tag: "Took", millis: 0, jobs: 0 })
    break
  }
  case "fill":
    await fill((payloads) =>
      boss.insert(
        queue,
        payloads.map((data) => ({ data }))
      )
    )
    break
  case "oneByOne":
    await boss.send(queue, {})
    await oneByOne((payload) => boss.send(queue, payload))
    break
  case "latency": {
    let onStart = () => undefined
    await boss.updateQueue(queue, { notify: true })
    await boss.work(queue, { pollingIntervalSeconds: 0.5 }, async () => onStart())
    await latencies(
      (payload) => boss.send(queue, payload),
      (told) => {
        onStart = told
      }
    )
    break
  }
  default: {
    const handled = counter()
    await untilTold()
    await boss.work(queue, options, async (jobs) => handled(jobs.length))
  }
}
