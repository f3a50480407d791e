/**
 * Errors sent to a real API while API, worker and Postgres are killed with `kill -9`, and Postgres stays away for a time.
 *
 * Every event that was acknowledged must be stored once, whatever was in the spool, and counts of issues, hours, releases and
 * items must be those of the stored events. No answer may be 5xx, and each kind of error must have one issue.
 */
import { PgClient } from "@effect/sql-pg"
import * as Api from "@hypermarket/soak/ApiProcess"
import * as Chance from "@hypermarket/soak/Chance"
import * as Cluster from "@hypermarket/soak/Cluster"
import * as Report from "@hypermarket/soak/Report"
import * as Run from "@hypermarket/soak/Run"
import type * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as Service from "@hypermarket/testing/ServiceProcess"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Fs from "node:fs"
import type * as Http from "node:http"

export interface Size {
  readonly senders: number
  /** Rounds of: kill the API, kill the worker, kill Postgres, stop Postgres. */
  readonly rounds: number
  readonly outageSeconds: number
}

export type Violation = Report.Violation<
  "lost" | "twice" | "counts" | "server_error" | "split" | "refused" | "stuck"
>

const tenant = "soak"
const projectId = 1
/** Kinds of errors: each is one issue. */
const kinds = 12
const releases = 3
/** An event that was acknowledged is sent again, as a client does that lost the answer. */
const resendProbability = 0.05
/** Between incidents, so that each meets a system at work. */
const pauseMillisMin = 800
const pauseMillisMax = 2_500
/** A client that was refused waits a moment, so that a run does not count refusals alone. */
const refusedPauseMillis = 100
/** A file of a killed process is adopted after 30 seconds. */
const settleMillisMax = 120_000

interface Sent {
  readonly id: string
  readonly kind: number
  isAcknowledged: boolean
}

const envelopeOf = ({ id, kind }: Sent): string => {
  const frames = [
    { function: "handle", filename: "/app/server.js", in_app: false },
    { function: `step${String.fromCharCode(97 + kind)}`, filename: `/app/src/checkout.js`, in_app: true }
  ]
  const event = {
    event_id: id,
    level: "error",
    platform: "node",
    release: `shop@1.${kind % releases}.0`,
    user: { id: `user-${kind}` },
    exception: { values: [{ type: "SoakError", value: `Step ${kind} failed`, stacktrace: { frames } }] }
  }
  return ['{"sdk":{"name":"soak"}}', '{"type":"event"}', JSON.stringify(event)].join("\n")
}

export const run = Effect.fn("ErrorRun.run")(function* (seed: number, size: Size) {
  const startedAt = yield* Clock.currentTimeMillis
  const chance = Chance.make(seed)
  const cluster = yield* Cluster.make()
  const spool = yield* Cluster.temporaryFolder("spool")
  yield* Effect.sync(() => Fs.chmodSync(spool, 0o700))
  const ports = { api: yield* Service.freePort, worker: yield* Service.freePort }
  const env = { HM_OBSERVABILITY_SPOOL: spool }
  const startApi = Api.startApi(cluster.url, ports.api, env)
  const startWorker = Api.startWorker(cluster.url, ports.worker, env)
  let api = yield* startApi
  let worker = yield* startWorker
  const key = yield* Api.makeKey(cluster.url, tenant, ["observability:write"])
  const sqlLayer = PgClient.layer({ url: Redacted.make(cluster.url), maxConnections: 2 })
  const query = <A, E>(self: Effect.Effect<A, E, PgClient.PgClient>) =>
    Run.persist(Effect.provide(self, sqlLayer))
  yield* query(
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      yield* sql`
        INSERT INTO hm_error_project (tenant_id, project_id, slug, name, recorded_at, updated_at)
        VALUES (${tenant}, ${projectId}, 'shop', 'Shop', now(), now())
      `
    })
  )
  const agent: Http.Agent = yield* Api.agent
  const url = `http://127.0.0.1:${ports.api}/sentry/api/${projectId}/envelope/`

  const { add: violated, all: violations } = Report.tally<Violation["rule"]>()
  const sent: Array<Sent> = []
  const statuses = new Map<number, number>()
  let spooledBytesMax = 0
  let isOver = false

  const post = Effect.fnUntraced(function* (one: Sent) {
    const { status, text } = yield* Api.request(agent, url, {
      method: "POST",
      headers: { "x-sentry-auth": `Sentry sentry_version=7, sentry_key=${key}` },
      body: envelopeOf(one)
    })
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    if (status === 200) one.isAcknowledged = true
    else if (status >= 500) violated("server_error", `${status} ${text}`)
    else if (status >= 400 && status !== 429) violated("refused", `${status} ${text}`)
    return status
  })

  const sender = (number: number) => {
    const own = Chance.make(seed * 1_000 + number)
    const once = Effect.gen(function* () {
      const id =
        (sent.length + 1).toString(16).padStart(8, "0") + seed.toString(16).padStart(24, "0").slice(-24)
      const one: Sent = { id, kind: own.between(0, kinds - 1), isAcknowledged: false }
      sent.push(one)
      const status = yield* post(one)
      if (status !== 200) yield* Effect.sleep(refusedPauseMillis)
      else if (own.happens(resendProbability)) yield* post(one)
    })
    return Effect.repeat(once, { while: () => !isOver })
  }

  const watch = Effect.sync(() => {
    const bytes = Fs.readdirSync(spool)
      .filter((name) => name.endsWith(".spool"))
      .reduce((sum, name) => {
        const stat = Fs.statSync(`${spool}/${name}`, { throwIfNoEntry: false })
        return sum + (stat?.size ?? 0)
      }, 0)
    spooledBytesMax = Math.max(spooledBytesMax, bytes)
    return bytes
  })
  yield* watch.pipe(Effect.repeat(Schedule.spaced("100 millis")), Effect.forkScoped)

  const senders = yield* Effect.forEach(
    Array.from({ length: size.senders }, (_, n) => n),
    (n) => Effect.forkScoped(sender(n))
  )
  const pause = Effect.suspend(() => Effect.sleep(chance.between(pauseMillisMin, pauseMillisMax)))
  const kill = (service: ServiceProcess.ServiceProcess) =>
    Effect.andThen(service.signal("SIGKILL"), service.exit)
  for (let round = 0; round < size.rounds; round++) {
    yield* Run.say(`round ${round + 1}: ${sent.length} sent, spool ${spooledBytesMax} bytes at most`)
    yield* pause
    yield* kill(api.service)
    api = yield* startApi
    yield* pause
    yield* kill(worker.service)
    worker = yield* startWorker
    yield* pause
    yield* cluster.killAndStart
    yield* pause
    // The API is killed while its acknowledged events are on disk alone.
    const away = yield* Effect.forkScoped(cluster.killAndStartAfter(`${size.outageSeconds} seconds`))
    if (chance.happens(0.5) || round === 0) {
      yield* Effect.sleep(size.outageSeconds * 600)
      yield* kill(api.service)
      yield* Fiber.join(away)
      api = yield* startApi
    } else yield* Fiber.join(away)
  }
  yield* pause
  isOver = true
  yield* Effect.forEach(senders, Fiber.join, { discard: true })

  const settled = Effect.gen(function* () {
    const bytes = yield* watch
    const [row] = yield* query(
      Effect.flatMap(
        PgClient.PgClient,
        (sql) => sql<{ readonly waiting: number }>`SELECT count(*)::int AS waiting FROM hm_error_pending`
      )
    )
    return bytes === 0 && row?.waiting === 0
  })
  const isSettled = yield* settled.pipe(
    Effect.repeat({
      until: (done) => done,
      schedule: Schedule.spaced("250 millis").pipe(Schedule.upTo({ duration: settleMillisMax }))
    })
  )
  if (!isSettled) violated("stuck", "the spool is not empty two minutes after the last incident")

  const stored = yield* query(
    Effect.flatMap(
      PgClient.PgClient,
      (sql) => sql<{ readonly id: string; readonly events: number }>`
        SELECT replace(event_id::text, '-', '') AS id, count(*)::int AS events
          FROM hm_error_log
         WHERE tenant_id = ${tenant}
         GROUP BY event_id
      `
    )
  )
  const storedIds = new Map(stored.map(({ events, id }) => [id, events]))
  for (const { id, isAcknowledged } of sent) {
    const events = storedIds.get(id) ?? 0
    if (isAcknowledged && events === 0) violated("lost", id)
    if (events > 1) violated("twice", id)
  }
  const [totals] = yield* query(
    Effect.flatMap(
      PgClient.PgClient,
      (sql) => sql<
        Readonly<Record<"log" | "keys" | "issues" | "hours" | "releases" | "items" | "groups", number>>
      >`
        SELECT (SELECT count(*)::int FROM hm_error_log WHERE tenant_id = ${tenant}) AS log,
               (SELECT count(*)::int FROM hm_error_event_key WHERE tenant_id = ${tenant}) AS keys,
               (SELECT sum(event_count)::int FROM hm_error_issue WHERE tenant_id = ${tenant}) AS issues,
               (SELECT sum(events)::int FROM hm_error_hour WHERE tenant_id = ${tenant}) AS hours,
               (SELECT sum(event_count)::int FROM hm_error_release WHERE tenant_id = ${tenant}) AS releases,
               (SELECT sum(quantity)::int
                  FROM hm_error_count
                 WHERE tenant_id = ${tenant} AND category = 'error' AND outcome = 'stored') AS items,
               (SELECT count(*)::int FROM hm_error_issue WHERE tenant_id = ${tenant}) AS groups
      `
    )
  )
  const { groups = 0, log = 0, ...others } = totals ?? {}
  for (const [name, count] of Object.entries(others)) {
    if (count !== log) violated("counts", `${name} ${count}, events ${log}`)
  }
  const kindsSent = new Set(sent.filter(({ id }) => storedIds.has(id)).map(({ kind }) => kind)).size
  if (groups !== kindsSent) violated("split", `${groups} issues of ${kindsSent} kinds`)

  const millis = (yield* Clock.currentTimeMillis) - startedAt
  return {
    seed,
    ok: violations().length === 0,
    violations: violations(),
    counts: {
      sent: sent.length,
      acknowledged: sent.filter(({ isAcknowledged }) => isAcknowledged).length,
      stored: log,
      limited: statuses.get(429) ?? 0,
      unanswered: (statuses.get(0) ?? 0) + (statuses.get(-1) ?? 0),
      spooledBytesMax
    },
    millis
  } satisfies Report.Report
}, Effect.scoped)
