/**
 * `pnpm bench errors [--only rate,large,hot,hostile]`: durable intake of errors by one API process, with its clients in
 * another process. Events of 9.5 KB and of 50 KB, one fault beside 1,000, and the delay of good clients beside hostile ones.
 * Each part counts the stored events: those that were acknowledged, each once.
 */
import * as Bench from "@hypermarket/bench/Bench"
import * as Setup from "@hypermarket/bench/Setup"
import * as Database from "@hypermarket/core/Database"
import { provide } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { ErrorProjects } from "@hypermarket/observability/ErrorProjects"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TenantKey from "@hypermarket/testing/TenantKey"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import { gzipSync, zstdCompressSync } from "node:zlib"

const folder = Path.join(import.meta.dirname, "errors")
const connections = 100
const millisMax = 10_000
const warmMillis = 3_000
const startMillis = 1_500
/** Events per second of 9.5 KB that are the target. */
const targetRate = 750
const small = 9_500
const large = 50_000
const faultsMax = 1_000
const slowSenders = 64
const bombsMax = 50
const bombsAtOnce = 10
const megabyte = 1024 * 1024

const Loaded = Schema.Struct({
  millis: Schema.Finite,
  statuses: Schema.Record(Schema.String, Schema.Int),
  latencies: Schema.Array(Schema.Finite)
})
const Attacked = Schema.Struct({ statuses: Schema.Record(Schema.String, Schema.Int) })

class Wrong extends Schema.TaggedError<Wrong>()("Wrong", { message: Schema.String }) {}

/** Runs a script to its end, and decodes what it wrote to standard output. */
const answerOf = <S extends Schema.ConstraintDecoder<unknown>>(script: string, settings: object, answer: S) =>
  Effect.scoped(
    Effect.gen(function* () {
      const service = yield* ServiceProcess.start(Path.join(folder, script), [], {
        BENCH_SETTINGS: JSON.stringify(settings)
      })
      const { code } = yield* service.exit
      if (code !== 0) return yield* new Wrong({ message: `${script}: ${service.log()}` })
      return yield* Schema.decodeUnknownEffect(Schema.fromJsonString(answer))(service.output())
    })
  )

const shown = (statuses: Readonly<Record<string, number>>): string =>
  Object.entries(statuses)
    .map(([status, count]) => `${status}: ${count}`)
    .join(", ")

/** A project with a client key, and the path of its intake. */
const projectOf = Effect.fnUntraced(function* (slug: string) {
  const projects = yield* ErrorProjects
  const { projectId } = yield* projects.create({ slug })
  const key = yield* TenantKey.make({
    tenant: Setup.tenantId,
    kind: "client",
    resource: `project:${projectId}`,
    scopes: ["observability:write"]
  })
  return { projectId, path: `/sentry/api/${projectId}/envelope/?sentry_key=${key}` }
})

interface Parts {
  readonly port: number
  readonly pid: number
}

interface Load {
  readonly bytes: number
  readonly faults: number
  readonly millis: number
  readonly rate?: number
  readonly beginsAt?: number
}

/** When clients begin that are started now. Node has started by then, and the connections are open. */
const beginning = Effect.map(Clock.currentTimeMillis, (now) => now + startMillis)

/** Milliseconds of processor time that a process has used (Linux). */
const processorMillis = (pid: number) =>
  Effect.sync(() => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? []
    return (Number(fields[11]) + Number(fields[12])) * 10
  })

let slugs = 0

/**
 * Sends events to a new project. Fails when one that was acknowledged is not stored and counted. One that was refused after ten
 * seconds is stored a moment later.
 */
const load = Effect.fnUntraced(function* ({ pid, port }: Parts, what: Load) {
  const sql = yield* SqlClient.SqlClient
  const { path, projectId } = yield* projectOf(`shop-${++slugs}`)
  const beginsAt = what.beginsAt ?? (yield* beginning)
  const before = yield* processorMillis(pid)
  const { latencies, millis, statuses } = yield* answerOf(
    "load.ts",
    { port, path, connections, ...what, beginsAt },
    Loaded
  )
  const acknowledged = statuses["200"] ?? 0
  const counted = sql<{ readonly events: number; readonly counted: number }>`
    SELECT coalesce(sum(event_count), 0)::int AS counted,
           (
             SELECT count(*)::int
               FROM hm_error_log
              WHERE tenant_id = ${Setup.tenantId} AND project_id = ${projectId}
           ) AS events
      FROM hm_error_issue
     WHERE tenant_id = ${Setup.tenantId} AND project_id = ${projectId}
  `
  const [row] = yield* counted
  const refused = statuses["429"] ?? 0
  const events = row?.events ?? 0
  if (events < acknowledged || events > acknowledged + refused || events !== row?.counted) {
    return yield* new Wrong({
      message: `${shown(statuses)}; stored ${row?.events}, counted ${row?.counted}`
    })
  }
  const used = (yield* processorMillis(pid)) - before
  return { perSecond: (acknowledged * 1_000) / millis, latencies, statuses, usedMillis: used / events }
})

/** Rates of several kinds of load by turns. */
const rates = Effect.fnUntraced(function* (
  parts: Parts,
  { rounds, scale }: Bench.Options,
  kinds: Readonly<Record<string, Pick<Load, "bytes" | "faults">>>
) {
  const measured = Object.entries(kinds).map(([name, kind]) => ({
    name,
    kind,
    values: [] as Array<number>
  }))
  yield* load(parts, { bytes: small, faults: 100, millis: warmMillis * Math.min(1, scale) })
  for (let round = 1; round <= rounds; round++) {
    for (const { kind, name, values } of measured) {
      const { perSecond, statuses, usedMillis } = yield* load(parts, { ...kind, millis: millisMax * scale })
      values.push(perSecond)
      yield* Bench.say(
        `${name}, round ${round} of ${rounds}: ${perSecond.toFixed(0)}/s, ${usedMillis.toFixed(2)} ms of processor time each (${shown(statuses)})`
      )
    }
  }
  return measured.map(({ values }) => Bench.median(values))
})

const rateOf = (name: string, bytes: number) => (parts: Parts) => (options: Bench.Options) =>
  Effect.map(rates(parts, options, { [name]: { bytes, faults: 100 } }), ([ours = Number.NaN]) =>
    [name, `${name}, stretch`].map((figure) => ({ figure, unit: "events/s", ours, peers: {} }))
  )

const hot = (parts: Parts) => (options: Bench.Options) =>
  Effect.map(
    rates(parts, options, {
      "one fault": { bytes: small, faults: 1 },
      Zipf: { bytes: small, faults: faultsMax }
    }),
    ([ours = Number.NaN, zipf = Number.NaN]) => [
      { figure: "one fault over 1,000 faults by Zipf", unit: "events/s", ours, peers: { Zipf: zipf } }
    ]
  )

/** Bodies of a few kilobytes that are much more once they are read. */
const bombFiles = Effect.acquireRelease(
  Effect.sync(() => {
    const made = mkdtempSync(Path.join(tmpdir(), "hm-bench-bombs-"))
    const bodies = {
      "zeros.gzip": gzipSync(Buffer.alloc(101 * megabyte)),
      "zeros.zstd": zstdCompressSync(Buffer.alloc(300 * megabyte)),
      "brackets.gzip": gzipSync(`{}\n{"type":"event"}\n${"[".repeat(60 * megabyte)}`),
      "objects.gzip": gzipSync(`{}\n{"type":"log"}\n[${"{},".repeat(20 * megabyte)}{}]`),
      "text.gzip": gzipSync("not an envelope ".repeat(megabyte))
    }
    return {
      made,
      bombs: Object.entries(bodies).map(([name, body]) => {
        const file = Path.join(made, name)
        writeFileSync(file, body)
        return { file, coding: Path.extname(name).slice(1) }
      })
    }
  }),
  ({ made }) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
)

const hostile = (parts: Parts) =>
  Effect.fnUntraced(function* ({ rounds, scale }: Bench.Options) {
    const { bombs } = yield* bombFiles
    const target = yield* projectOf("hostile")
    const millis = millisMax * scale
    const [full = 0] = yield* rates(
      parts,
      { rounds: 1, scale, only: [], measured: () => Effect.void },
      {
        "full load": { bytes: small, faults: 100 }
      }
    )
    const idleBytes = yield* ServiceProcess.residentBytes(parts.pid)
    let peakBytes = idleBytes
    yield* ServiceProcess.residentBytes(parts.pid).pipe(
      Effect.tap((bytes) => Effect.sync(() => (peakBytes = Math.max(peakBytes, bytes)))),
      Effect.repeat(Schedule.spaced("50 millis")),
      Effect.forkScoped
    )
    const loads = [
      { name: "at half load", rate: full / 2, alone: [] as Array<number>, beside: [] as Array<number> },
      {
        name: `at ${targetRate / 2} events/s`,
        rate: targetRate / 2,
        alone: [] as Array<number>,
        beside: [] as Array<number>
      }
    ]
    for (let round = 1; round <= rounds; round++) {
      for (const { alone, beside, name, rate } of loads) {
        const good = { bytes: small, faults: 100, millis, rate }
        const withoutHostile = yield* load(parts, good)
        const beginsAt = yield* beginning
        const [withHostile, hostiles] = yield* Effect.all(
          [
            load(parts, { ...good, beginsAt }),
            answerOf(
              "hostile.ts",
              {
                port: parts.port,
                path: target.path,
                millis,
                beginsAt,
                slow: slowSenders,
                atOnce: bombsAtOnce,
                count: bombsMax,
                bombs
              },
              Attacked
            )
          ],
          { concurrency: 2 }
        )
        alone.push(Bench.quantile(withoutHostile.latencies, 0.99))
        beside.push(Bench.quantile(withHostile.latencies, 0.99))
        yield* Bench.say(
          `hostile, ${name}, round ${round} of ${rounds}: ${rate.toFixed(0)}/s, p99 ${beside.at(-1)?.toFixed(0)} ms, ` +
            `p50 ${Bench.median(withHostile.latencies).toFixed(0)} ms; ` +
            `alone ${alone.at(-1)?.toFixed(0)} and ${Bench.median(withoutHostile.latencies).toFixed(0)} ms ` +
            `(good ${shown(withHostile.statuses)}; hostile ${shown(hostiles.statuses)})`
        )
      }
    }
    return [
      ...loads.map(({ alone, beside, name }) => ({
        figure: `p99 of 100 good clients beside hostile ones, ${name}`,
        unit: "ms",
        ours: Bench.median(beside),
        peers: { alone: Bench.median(alone) }
      })),
      {
        figure: "memory of the API above idle, beside hostile clients",
        unit: "MB",
        ours: (peakBytes - idleBytes) / megabyte,
        peers: {}
      }
    ]
  }, Effect.scoped)

export const bench: Bench.Bench = {
  run: Effect.fn("bench errors")(function* (options: Bench.Options) {
    const { settings } = yield* Bench.readTargets("errors")
    yield* Setup.build
    const run = <E, R>(
      name: string,
      part: (parts: Parts) => (options: Bench.Options) => Effect.Effect<ReadonlyArray<Bench.Figure>, E, R>
    ) => {
      if (options.only.length > 0 && !options.only.includes(name)) {
        return Effect.succeed<ReadonlyArray<Bench.Figure>>([])
      }
      return Effect.gen(function* () {
        const database = yield* Setup.database(settings)
        const layer = ObservabilityDomain.layer.pipe(
          Layer.provideMerge(Wakeup.layerSend),
          Layer.provideMerge(Database.layer(database.options, "hm-bench"))
        )
        const { port, ready, service } = yield* Setup.startApi(database.url)
        yield* ready
        return yield* part({ port, pid: service.pid })(options).pipe(
          provide(Setup.tenantId),
          Effect.provide(layer)
        )
      }).pipe(Effect.scoped, Effect.tap(options.measured))
    }
    return [
      ...(yield* run("rate", rateOf("events of 9.5 KB", small))),
      ...(yield* run("large", rateOf("events of 50 KB", large))),
      ...(yield* run("hot", hot)),
      ...(yield* run("hostile", hostile))
    ]
  })
}
