/**
 * graphile-worker in `bench events`, with the settings of its own performance page: 24 concurrent jobs, a local queue of
 * 500, completions in batches (https://worker.graphile.org/docs/performance).
 */
import { Logger, makeWorkerUtils, run } from "graphile-worker"
import { Pool } from "pg"
import { counter, fill, latencies, oneByOne, settings, untilTold, url } from "./engine.js"

const silent = new Logger(() => () => undefined)
const concurrentJobs = 24

const preset = {
  worker: {
    connectionString: url,
    concurrentJobs,
    maxPoolSize: concurrentJobs + 1,
    ...(settings.localQueue === false ? {} : { localQueue: { size: 500 } }),
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0
  }
}

const work = (noop) => run({ preset, logger: silent, noHandleSignals: true, taskList: { noop } })

const utils = async () =>
  makeWorkerUtils({
    pgPool: new Pool({ connectionString: url, max: settings.callers ?? 10 }),
    logger: silent
  })

switch (settings.command) {
  case "setup": {
    const made = await utils()
    await made.migrate()
    process.send({ _tag: "Took", millis: 0, jobs: 0 })
    break
  }
  case "fill": {
    const made = await utils()
    const insert = (payloads) => made.addJobs(payloads.map((payload) => ({ identifier: "noop", payload })))
    await fill(insert)
    break
  }
  case "oneByOne": {
    const made = await utils()
    await made.addJob("noop", {})
    await oneByOne((payload) => made.addJob("noop", payload))
    break
  }
  case "latency": {
    const made = await utils()
    let onStart = () => undefined
    await work(() => onStart())
    await latencies(
      (payload) => made.addJob("noop", payload),
      (told) => {
        onStart = told
      }
    )
    break
  }
  default: {
    const handled = counter()
    await untilTold()
    await work(() => handled(1))
  }
}
