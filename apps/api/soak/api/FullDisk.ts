/**
 * A server whose disk fills up while clients publish, and is freed again. Reads go on, the process is not ready and says why,
 * and nothing that was acknowledged is missing afterwards.
 */
import { PgClient } from "@effect/sql-pg"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as ApiProcess from "@hypermarket/soak/ApiProcess"
import * as Cluster from "@hypermarket/soak/Cluster"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"

export interface Report {
  /** Facts that were acknowledged, and how often a fact was refused. */
  readonly acknowledged: number
  readonly refused: number
  readonly stored: number
  readonly notReady: number
  readonly readsWhileFull: number
  readonly failures: ReadonlyArray<string>
}

/** Only root may mount. */
export const isPossible = process.getuid?.() === 0 && process.platform === "linux"

/** Room for the migrated database, its write-ahead log, and little more. */
const diskMegabytes = 320
const clientCount = 8
const chunk = Buffer.alloc(256 * 1024)

/** A folder that is a file system. */
const disk = Effect.gen(function* () {
  const folder = yield* Cluster.temporaryFolder("full-disk")
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${diskMegabytes}m,mode=0711`, "tmpfs", folder])
    ),
    () => Effect.sync(() => execFileSync("umount", ["-l", folder]))
  )
  return folder
})

/** Fills a file system until nothing more fits into it. */
const fill = (file: string) =>
  Effect.sync(() => {
    const descriptor = Fs.openSync(file, "a")
    try {
      for (;;) Fs.writeSync(descriptor, chunk)
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes("ENOSPC")) throw error
    } finally {
      Fs.closeSync(descriptor)
    }
  })

export const run = Effect.fn("FullDisk.run")(function* (refusedMin: number) {
  const folder = yield* disk
  const directory = Path.join(folder, "data")
  const server = yield* EmbeddedPostgres.start({
    directory,
    durability: "production",
    settings: { max_wal_size: "64MB", min_wal_size: "32MB" }
  })
  const port = yield* ServiceProcess.freePort
  const { service, url } = yield* ApiProcess.startApi(server.url, port)
  const key = yield* ApiProcess.makeKey(server.url, "full", ["events:write", "platform:read"])
  const agent = yield* ApiProcess.agent
  const authorization = `Bearer ${key}`
  const headers = { authorization, "content-type": "application/cloudevents+json" }
  const acknowledged = new Set<string>()
  const failures: Array<string> = []
  let next = 0
  let refused = 0
  let isOver = false
  /** Large enough to need pages and log; each is sent until it is acknowledged. */
  const text = "x".repeat(8_000)
  const publish = Effect.suspend(() => {
    const id = `fact-${next++}`
    const body = JSON.stringify({
      specversion: "1.0",
      id,
      source: "/soak",
      type: "test.filled",
      data: { text }
    })
    return ApiProcess.request(agent, `${url}/v1/events`, { method: "POST", headers, body }).pipe(
      Effect.tap(({ status, text: answer }) =>
        Effect.sync(() => {
          if (status === 202) acknowledged.add(id)
          else if (status === 503) refused++
          else failures.push(`${status} ${answer}`)
        })
      ),
      Effect.repeat({
        until: ({ status }) => status === 202 || isOver,
        schedule: Schedule.spaced("100 millis")
      })
    )
  })
  const clients = yield* Effect.forEach(Array.from({ length: clientCount }), () =>
    publish.pipe(
      Effect.repeat({ until: () => isOver, schedule: Schedule.spaced("20 millis") }),
      Effect.forkScoped
    )
  )
  const ready = ApiProcess.request(agent, `${url}/health/ready`, { method: "GET", headers: {} })
  const until = (holds: () => boolean) =>
    Effect.repeat(Effect.sync(holds), { until: (isTrue) => isTrue, schedule: Schedule.spaced("50 millis") })

  yield* until(() => acknowledged.size > 20)
  const filler = Path.join(folder, "filler")
  yield* fill(filler)
  // What the server frees itself is filled again.
  const filling = yield* fill(filler).pipe(Effect.delay("200 millis"), Effect.forever, Effect.forkScoped)
  let notReady = 0
  let reason = ""
  yield* ready.pipe(
    Effect.tap(({ status, text: answer }) =>
      Effect.sync(() => {
        if (status !== 503) return
        notReady++
        if (answer.includes("disk-full")) reason = answer
      })
    ),
    Effect.repeat({
      until: () => reason !== "" && refused >= refusedMin,
      schedule: Schedule.spaced("100 millis")
    })
  )
  let readsWhileFull = 0
  for (let n = 0; n < 10; n++) {
    const { status } = yield* ApiProcess.request(agent, `${url}/v1/platform/tenant`, {
      method: "GET",
      headers: { authorization }
    })
    if (status === 200) readsWhileFull++
  }
  yield* Fiber.interrupt(filling)
  yield* Effect.sync(() => Fs.rmSync(filler))
  const acknowledgedWhileFull = acknowledged.size
  yield* until(() => acknowledged.size > acknowledgedWhileFull + 20)
  yield* Effect.repeat(ready, {
    until: ({ status }) => status === 200,
    schedule: Schedule.spaced("50 millis")
  })
  isOver = true
  yield* Effect.forEach(clients, Fiber.join, { discard: true })
  yield* service.signal("SIGTERM")
  const { code } = yield* service.exit
  if (code !== 0) failures.push(`exit code ${code}: ${service.log().slice(-500)}`)
  if (!/Requests are answered 503.*53100/.test(service.log())) failures.push("the log does not name 53100")
  const missing = yield* Effect.gen(function* () {
    const sql = yield* PgClient.PgClient
    const rows = yield* sql<{ readonly id: string }>`SELECT event_id AS id FROM hm_event_dedupe`
    const stored = new Set(rows.map(({ id }) => id))
    return { stored: stored.size, ids: Array.from(acknowledged).filter((id) => !stored.has(id)) }
  }).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(server.url), maxConnections: 1 })))
  if (missing.ids.length > 0)
    failures.push(`${missing.ids.length} acknowledged facts are missing: ${missing.ids[0]}`)
  if (readsWhileFull === 0) failures.push("no read was answered while the disk was full")
  return {
    acknowledged: acknowledged.size,
    refused,
    stored: missing.stored,
    notReady,
    readsWhileFull,
    failures
  } satisfies Report
})
