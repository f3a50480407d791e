/**
 * Figures of the process itself, read when they are asked for: the names that dashboards of Node services know, and the
 * release of this one.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { readdir } from "node:fs/promises"
import { monitorEventLoopDelay, performance } from "node:perf_hooks"
import manifest from "@hypermarket/core/package.json" with { type: "json" }

const buildInfo = Metric.withAttributes(
  Metric.gauge("hm_build_info", { description: "1, with the release and the version of Node" }),
  { version: manifest.version, node: process.versions.node }
)
const startTime = Metric.gauge("process_start_time_seconds", {
  description: "Start of this process, in seconds since 1970"
})
const cpuSeconds = Metric.counter("process_cpu_seconds_total", {
  description: "Processor time of this process, in seconds",
  incremental: true
})
const residentMemory = Metric.gauge("process_resident_memory_bytes", {
  description: "Resident memory of this process, in bytes"
})
const heapUsed = Metric.gauge("nodejs_heap_size_used_bytes", {
  description: "Used heap, in bytes"
})
const heapTotal = Metric.gauge("nodejs_heap_size_total_bytes", {
  description: "Heap, in bytes"
})
const external = Metric.gauge("nodejs_external_memory_bytes", {
  description: "Memory outside of the heap, such as buffers, in bytes"
})
const openFiles = Metric.gauge("process_open_fds", {
  description: "Open file descriptors; 0 where the system does not list them"
})
const loopDelayMean = Metric.gauge("nodejs_eventloop_lag_mean_seconds", {
  description: "Mean delay of the event loop since the last scrape"
})
const loopDelayP99 = Metric.gauge("nodejs_eventloop_lag_p99_seconds", {
  description: "99th percentile of the event loop's delay since the last scrape"
})
const loopDelayMax = Metric.gauge("nodejs_eventloop_lag_max_seconds", {
  description: "Longest delay of the event loop since the last scrape"
})

/** The finest that the event loop is watched without a timer for each sample. */
const resolutionMillis = 20
const nanosPerSecond = 1e9
const microsPerSecond = 1e6

/** The descriptor of the listing itself is one of them. */
const countOpenFiles = Effect.promise(() =>
  readdir("/proc/self/fd").then(
    (names) => names.length - 1,
    () => 0
  )
)

/** Starts to watch the event loop, and returns an effect that updates the figures. */
export const make = Effect.gen(function* () {
  const delay = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const histogram = monitorEventLoopDelay({ resolution: resolutionMillis })
      histogram.enable()
      return histogram
    }),
    (histogram) => Effect.sync(() => histogram.disable())
  )
  let countedCpuSeconds = 0
  return Effect.gen(function* () {
    const memory = process.memoryUsage()
    const { system, user } = process.cpuUsage()
    const usedSeconds = (system + user) / microsPerSecond
    yield* Metric.update(buildInfo, 1)
    yield* Metric.update(startTime, performance.timeOrigin / 1000)
    yield* Metric.update(cpuSeconds, usedSeconds - countedCpuSeconds)
    countedCpuSeconds = usedSeconds
    yield* Metric.update(residentMemory, memory.rss)
    yield* Metric.update(heapUsed, memory.heapUsed)
    yield* Metric.update(heapTotal, memory.heapTotal)
    yield* Metric.update(external, memory.external)
    yield* Metric.update(openFiles, yield* countOpenFiles)
    // Without a tick between two scrapes there is no mean.
    yield* Metric.update(loopDelayMean, delay.count === 0 ? 0 : delay.mean / nanosPerSecond)
    yield* Metric.update(loopDelayP99, delay.percentile(99) / nanosPerSecond)
    yield* Metric.update(loopDelayMax, delay.count === 0 ? 0 : delay.max / nanosPerSecond)
    delay.reset()
  })
})
