/**
 * The intake of errors: a bounded queue in memory, writers that store what waits in batches, and a spool on disk while the
 * database is unavailable.
 *
 * @since 0.1.0
 */
import { Tenant } from "@hypermarket/core/Tenant"
import * as Storage from "@hypermarket/core/Storage"
import * as FailureText from "@hypermarket/core/FailureText"
import * as Cause from "effect/Cause"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Hash from "effect/Hash"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import * as IntakeHealth from "./internal/intakeHealth.ts"
import * as LiveProjects from "./internal/liveProjects.ts"
import * as Metrics from "./internal/metrics.ts"
import * as Reader from "./internal/reader.ts"
import type * as Reading from "./internal/reading.ts"
import * as Spool from "./internal/spool.ts"
import { bytesOf, type Count, type Submission } from "./internal/submission.ts"
import * as Unreported from "./internal/unreported.ts"
import * as Writer from "./internal/writer.ts"
import * as Settings from "./ObservabilitySettings.ts"

/** Submissions per transaction: past it the time of a batch grows as its size. */
const batchMax = 500
const batchBytesMax = 8 * 1024 * 1024
/** Memory of what waits. Past it submissions are refused. */
const queueBytesMax = 64 * 1024 * 1024
/** One tenant leaves as much to three others. */
const tenantBytesMax = queueBytesMax / 4
/** From here on only errors are accepted. */
const shedBytes = queueBytesMax / 2
/**
 * With a spool a write ends before the deadline of its request, so that the spool can still acknowledge. Without one, waiting
 * stores what a slow database would otherwise lose.
 */
const writeTimeout = { withSpool: "1500 millis", withoutSpool: "30 seconds" } as const
const probeTimeout = "1 second"
const probeInterval = "500 millis"
const drainInterval = "1 second"
/** Submissions that wait when the process stops are stored within this time, of the ten seconds that a stop has. */
const stopTimeout = "5 seconds"
/** Counts of refused items wait in memory for the next write. */
const refusedCountsMax = 1_000

/**
 * The submission was not acknowledged: the queue or the spool is full, or the database is unavailable and there is no
 * spool.
 *
 * @category errors
 * @since 0.1.0
 */
export class IntakeRefused extends Schema.TaggedError<IntakeRefused>()("IntakeRefused", {
  reason: Schema.Literals(["queue-full", "spool-full", "unavailable"])
}) {}

interface Waiting {
  readonly submission: Submission
  readonly bytes: number
  readonly done: Deferred.Deferred<void, IntakeRefused>
}

const chunked = (batch: ReadonlyArray<Waiting>): ReadonlyArray<ReadonlyArray<Waiting>> => {
  const chunks: Array<Array<Waiting>> = []
  let bytes = Infinity
  for (const waiting of batch) {
    if (bytes + waiting.bytes > batchBytesMax) {
      chunks.push([])
      bytes = 0
    }
    chunks.at(-1)?.push(waiting)
    bytes += waiting.bytes
  }
  return chunks
}

/** True when a statement failed for itself and not because of the server or another transaction. */
const isPoison = (cause: Cause.Cause<unknown>): boolean => {
  const error = Cause.squash(cause)
  if (isSqlError(error)) return Storage.failureOf(error).reason === "other"
  return !(error instanceof Storage.StorageUnavailable)
}

/**
 * Stores submissions. An acknowledged one is in the database, or on the disk of the spool.
 *
 * @category services
 * @since 0.1.0
 */
export class ErrorIntake extends Context.Service<
  ErrorIntake,
  {
    /** Returns the project when it is open, from memory once the tenant is known. */
    readonly project: (
      projectId: number
    ) => Effect.Effect<LiveProjects.LiveProject | undefined, SqlError | Cause.TimeoutError, Tenant>
    /** Reads a body in a separate thread. Undefined for one that cannot be read: it is refused. */
    readonly read: (received: Reading.Received) => Effect.Effect<Reading.Answer | undefined>
    /** Waits until the submission is stored or spooled. */
    readonly submit: (submission: Submission) => Effect.Effect<void, IntakeRefused>
    /** True while the queue is so full that only errors are accepted. */
    readonly isShedding: () => boolean
    /** Counts items that were refused, with a later write. */
    readonly noteRefused: (submission: Submission) => void
  }
>()("@hypermarket/observability/ErrorIntake") {
  static readonly layer: Layer.Layer<ErrorIntake, Config.ConfigError, SqlClient.SqlClient> = Layer.effect(
    ErrorIntake,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const projects = yield* LiveProjects.make(sql)
      const write = Writer.make(sql)
      const folder = yield* Settings.spool.config
      const spool = folder === "" ? undefined : yield* Spool.open({ folder }).pipe(Effect.orDie)
      // Each has a writer, and each project its queue: a writer that took any project would wait for the other one's locks.
      const queues = [yield* Queue.unbounded<Waiting>(), yield* Queue.unbounded<Waiting>()] as const
      const tenantBytes = new Map<string, number>()
      const refused = new Map<string, { readonly submission: Submission; quantity: number }>()
      const health = yield* IntakeHealth.make
      const quiet = Effect.provideService(Unreported.Unreported, true)
      const read = yield* quiet(Reader.make())
      let queueBytes = 0
      let waiting = 0
      let isAway = false

      const settle = (item: Waiting, exit: Exit.Exit<void, IntakeRefused>) => {
        queueBytes -= item.bytes
        waiting--
        const left = (tenantBytes.get(item.submission.tenantId) ?? 0) - item.bytes
        if (left <= 0) tenantBytes.delete(item.submission.tenantId)
        else tenantBytes.set(item.submission.tenantId, left)
        Deferred.doneUnsafe(item.done, exit)
      }

      const settleAll = (items: ReadonlyArray<Waiting>, exit: Exit.Exit<void, IntakeRefused>) =>
        Effect.sync(() => {
          for (const item of items) settle(item, exit)
        })

      const refuseAll = (items: ReadonlyArray<Waiting>, reason: IntakeRefused["reason"]) =>
        settleAll(items, Exit.fail(new IntakeRefused({ reason })))

      const store = (submissions: ReadonlyArray<Submission>) =>
        write(submissions).pipe(
          Effect.tap((events) => Metric.update(Metrics.eventsTotal, events)),
          Storage.within(spool === undefined ? writeTimeout.withoutSpool : writeTimeout.withSpool)
        )

      /** Stores submissions, those that cannot be stored alone. Fails while the database is unavailable. */
      const storeApart = (
        submissions: ReadonlyArray<Submission>
      ): Effect.Effect<void, SqlError | Storage.StorageUnavailable> =>
        Effect.catchCause(Effect.asVoid(store(submissions)), (cause) => {
          if (!isPoison(cause)) return Effect.failCause(cause)
          if (submissions.length > 1) {
            const middle = Math.ceil(submissions.length / 2)
            return Effect.andThen(
              storeApart(submissions.slice(0, middle)),
              storeApart(submissions.slice(middle))
            )
          }
          return Effect.gen(function* () {
            yield* Effect.logError("A submission cannot be stored and is dropped", {
              tenant_id: submissions[0]?.tenantId,
              detail: FailureText.describe(cause)
            })
            for (const { projectId, receivedAtMillis, tenantId, ...parts } of submissions) {
              const quantity = parts.events.length + parts.items.length
              if (quantity === 0) continue
              const count: Count = { category: "error", outcome: "dropped", reason: "unstorable", quantity }
              yield* Effect.ignore(
                store([{ tenantId, projectId, receivedAtMillis, events: [], items: [], counts: [count] }])
              )
            }
          })
        })

      const spoolAll = (items: ReadonlyArray<Waiting>) => {
        if (spool === undefined) return refuseAll(items, "unavailable")
        return spool.append(items.map(({ submission }) => submission)).pipe(
          Effect.matchEffect({
            onFailure: (error) => {
              health.spooled(error._tag === "SpoolFull" ? "spool-full" : "spool-broken")
              return error._tag === "SpoolFull"
                ? refuseAll(items, "spool-full")
                : Effect.andThen(
                    Effect.logError("The spool cannot be written", { detail: error.message }),
                    refuseAll(items, "unavailable")
                  )
            },
            onSuccess: () => {
              health.spooled()
              return settleAll(items, Exit.void)
            }
          }),
          Effect.andThen(Metric.update(Metrics.spoolBytes, spool.bytes()))
        )
      }

      const take = Effect.fnUntraced(function* (items: ReadonlyArray<Waiting>) {
        if (isAway) return yield* spoolAll(items)
        const exit = yield* Effect.exit(storeApart(items.map(({ submission }) => submission)))
        if (Exit.isSuccess(exit)) return yield* settleAll(items, Exit.void)
        isAway = true
        yield* Effect.logWarning(
          spool === undefined
            ? "The database is unavailable: errors are refused until it is back"
            : "The database is unavailable: errors are spooled until it is back"
        )
        yield* spoolAll(items)
      })

      const writer = (queue: Queue.Queue<Waiting>, index: number) =>
        Queue.takeBetween(queue, 1, batchMax).pipe(
          Effect.flatMap((batch) =>
            health.watched(index, Effect.forEach(chunked(batch), take, { discard: true }))
          ),
          Effect.andThen(Effect.suspend(() => Metric.update(Metrics.queueBytes, queueBytes))),
          Effect.forever,
          health.guarded
        )

      /** Locks nothing, and is refused where nothing can be written. */
      const mayWrite = sql`
        SELECT 1
          FROM hm_error_project
         WHERE false
           FOR KEY SHARE
      `

      const probe = Effect.suspend(() =>
        isAway
          ? mayWrite.pipe(
              Storage.within(probeTimeout),
              Effect.matchEffect({
                onFailure: () => Effect.void,
                onSuccess: () =>
                  Effect.suspend(() => {
                    isAway = false
                    health.spooled()
                    return Effect.logInfo("The database is available again: errors are stored")
                  })
              })
            )
          : Effect.void
      )

      const flushRefused = Effect.suspend(() => {
        if (isAway || refused.size === 0) return Effect.void
        const counts = Array.from(refused.values(), ({ quantity, submission }) => ({
          ...submission,
          counts: submission.counts.map((count) => ({ ...count, quantity }))
        }))
        refused.clear()
        return Effect.ignore(store(counts))
      })

      /** Stores what is spooled, at half the rate: as long as a batch took, other work has the database. */
      const drain = Effect.suspend(() => {
        if (spool === undefined || isAway) return Effect.void
        return Effect.gen(function* () {
          for (const file of yield* spool.closed) {
            const records = yield* spool.read(file)
            for (let at = 0; at < records.length; at += batchMax) {
              const [elapsed] = yield* Effect.timed(storeApart(records.slice(at, at + batchMax)))
              yield* Effect.sleep(Duration.min(elapsed, Duration.seconds(1)))
            }
            yield* spool.remove(file)
          }
          yield* Metric.update(Metrics.spoolBytes, spool.bytes())
        }).pipe(
          Effect.catchCause((cause) =>
            Effect.logWarning("The spool is stored later", { detail: FailureText.describe(cause) })
          )
        )
      })

      for (const [index, queue] of queues.entries()) yield* Effect.forkScoped(quiet(writer(queue, index)))
      yield* Effect.all([probe, flushRefused, health.look], { discard: true }).pipe(
        Effect.repeat(Schedule.spaced(probeInterval)),
        quiet,
        Effect.forkScoped
      )
      yield* drain.pipe(Effect.repeat(Schedule.spaced(drainInterval)), quiet, Effect.forkScoped)
      yield* Effect.addFinalizer(() =>
        Effect.suspend(() => (waiting === 0 ? Effect.succeed(true) : Effect.succeed(false))).pipe(
          Effect.repeat({ until: (isEmpty) => isEmpty, schedule: Schedule.spaced("20 millis") }),
          Effect.timeoutOption(stopTimeout)
        )
      )

      const submit = Effect.fnUntraced(function* (submission: Submission) {
        const bytes = bytesOf(submission)
        const ofTenant = (tenantBytes.get(submission.tenantId) ?? 0) + bytes
        if (queueBytes + bytes > queueBytesMax || ofTenant > tenantBytesMax) {
          return yield* new IntakeRefused({ reason: "queue-full" })
        }
        const done = Deferred.makeUnsafe<void, IntakeRefused>()
        queueBytes += bytes
        waiting++
        tenantBytes.set(submission.tenantId, ofTenant)
        const isEven = ((Hash.string(submission.tenantId) ^ submission.projectId) & 1) === 0
        Queue.offerUnsafe(queues[isEven ? 0 : 1], { submission, bytes, done })
        return yield* Deferred.await(done)
      })

      return ErrorIntake.of({
        project: (projectId) =>
          Effect.flatMap(Tenant, ({ id }) => {
            const current = projects.current(id)
            return Effect.map(current === undefined ? projects.ready(id) : Effect.succeed(current), (known) =>
              known.get(projectId)
            )
          }),
        read,
        submit,
        isShedding: () => queueBytes > shedBytes,
        noteRefused: (submission) => {
          const { projectId, receivedAtMillis, tenantId } = submission
          const dropped = [
            ...submission.events.map(() => "error"),
            ...submission.items.map(({ kind }) => kind)
          ]
          for (const category of dropped) {
            const key = JSON.stringify([tenantId, projectId, category])
            const existing = refused.get(key)
            if (existing !== undefined) existing.quantity++
            else if (refused.size < refusedCountsMax) {
              const count: Count = { category, outcome: "dropped", reason: "refused", quantity: 1 }
              refused.set(key, {
                submission: { tenantId, projectId, receivedAtMillis, events: [], items: [], counts: [count] },
                quantity: 1
              })
            }
          }
        }
      })
    })
  )
}
