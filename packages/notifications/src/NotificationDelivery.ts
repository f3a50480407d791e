/**
 * Sends chunks of messages: claims, decides, renders, sends, and writes each outcome as it comes.
 *
 * At least once. `sending` is committed before the server is asked, so a message whose worker died meanwhile is known, counted
 * in `uncertain`, and sent again or parked as its category says. Nothing else is sent twice: a chunk never fails as a whole.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import type { Secrets } from "@hypermarket/core/Secrets"
import { SignedToken } from "@hypermarket/core/SignedToken"
import { Tenant } from "@hypermarket/core/Tenant"
import { isConflict, transactionOf } from "@hypermarket/core/Transaction"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import type { QueueOverloaded } from "@hypermarket/queue/QueueJob"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Attempts from "./internal/attempts.ts"
import * as Branding from "./internal/branding.ts"
import * as Composition from "./internal/composition.ts"
import * as Decision from "./internal/decision.ts"
import * as Statements from "./internal/deliveryStatements.ts"
import * as Jobs from "./internal/jobs.ts"
import * as Outcomes from "./internal/outcomes.ts"
import { CompiledTemplates } from "./internal/template/compiledTemplates.ts"
import { MailProvider } from "./MailProvider.ts"
import * as Settings from "./NotificationsSettings.ts"
import { NotificationSuppressions } from "./NotificationSuppressions.ts"

/**
 * How chunks are sent. A test shortens the lease.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** A message's lease, in milliseconds. Longer than the send of one group, which ends after 20 seconds. */
  readonly leaseMillis: number
  /** After this time a chunk hands its rest to a new job, in milliseconds. */
  readonly budgetMillis: number
  /** Messages of a chunk that are in flight together. */
  readonly groupMax: number
  /** Attempts per message. */
  readonly attemptsMax: number
  /** False takes the guarantee out, for the test that shows it is needed. */
  readonly marksSending: boolean
}

/**
 * @category services
 * @since 0.1.0
 */
export const DeliveryOptions = Context.Reference<Options>("@hypermarket/notifications/DeliveryOptions", {
  defaultValue: () => ({
    leaseMillis: 45_000,
    budgetMillis: 20_000,
    groupMax: 5,
    attemptsMax: 12,
    marksSending: true
  })
})

/** The rest of a chunk waits when the server is not reached, without counting as an attempt. */
const unreachableMillis = 30_000
/** A cancellation locks the same messages in another order. */
const conflictRetriesMax = 5
const decodePayload = Schema.decodeUnknownEffect(Schema.Struct({ ids: Schema.Array(Identifier.Uuid) }))

/**
 * @category services
 * @since 0.1.0
 */
export class NotificationDelivery extends Context.Service<
  NotificationDelivery,
  {
    /** Sends the messages of a job that are due. Those that are not keep their own jobs. */
    readonly send: (ids: ReadonlyArray<string>) => Effect.Effect<void, QueueOverloaded | SqlError, Tenant>
    /** Sends the chunk of a job's payload. */
    readonly run: (
      payload: unknown
    ) => Effect.Effect<void, QueueOverloaded | SqlError | Schema.SchemaError, Tenant>
  }
>()("@hypermarket/notifications/NotificationDelivery") {
  static readonly layer: Layer.Layer<
    NotificationDelivery,
    Config.ConfigError,
    | SqlClient.SqlClient
    | Wakeup
    | MailProvider
    | Secrets
    | SignedToken
    | CompiledTemplates
    | NotificationSuppressions
  > = Layer.effect(
    NotificationDelivery,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const queue = yield* WorkQueue.make({ prefix: Jobs.prefix })
  const provider = yield* MailProvider
  const tokens = yield* SignedToken
  const templates = yield* CompiledTemplates
  const suppressions = yield* NotificationSuppressions
  const options = yield* DeliveryOptions
  const delivery = yield* Settings.delivery.config
  const allowed = new Set(yield* Settings.allow.config)
  const publicUrl = (yield* Settings.publicUrl.config).replace(/\/+$/, "")
  const statements = Statements.make(sql)
  const transact = transactionOf(sql)

  const isSent = (address: string): boolean =>
    delivery === "live" ||
    (delivery === "allow-list" &&
      (allowed.has(address) || allowed.has(address.slice(address.lastIndexOf("@")))))

  const { prepare } = Composition.make({ provider, tokens, templates, publicUrl, isSent })

  const { changeOf } = Attempts.make(suppressions, options.attemptsMax)
  /** The state of a message whose call is in flight. */
  const sending = options.marksSending ? "sending" : "leased"

  /** Writes changes with the jobs of those that are due later, in one transaction. The caller may have a job that is retried. */
  const write = Effect.fnUntraced(function* (
    from: "leased" | "sending",
    leaseId: string,
    changes: ReadonlyArray<Statements.Change>,
    jobs: "enqueued" | "retried" = "enqueued"
  ) {
    if (changes.length === 0) return
    const tenant = yield* Tenant
    const now = yield* Now.now
    yield* transact(
      Effect.gen(function* () {
        const written = new Set(
          (yield* statements.change(tenant.id, from, leaseId, changes, now)).map(({ id }) => id)
        )
        const due = new Map<number, Array<string>>()
        for (const { dueAt, id } of changes) {
          if (jobs === "retried" || dueAt === null || !written.has(id)) continue
          const list = due.get(dueAt.getTime()) ?? []
          list.push(id)
          due.set(dueAt.getTime(), list)
        }
        yield* Jobs.enqueue(
          queue,
          Array.from(due).flatMap(([at, ids]) => Jobs.emailJobs(ids, new Date(at)))
        )
      })
    )
    yield* Attempts.count(changes)
  })

  const sendOne = Effect.fnUntraced(function* (ready: Composition.Ready) {
    const outcome = yield* provider.send(ready.row.notificationId, ready.address, ready.message)
    return { outcome, change: yield* changeOf(ready, outcome) }
  })

  const catchOne = Effect.fnUntraced(function* (leaseId: string, ready: Composition.Ready) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    yield* transact(
      Effect.andThen(
        statements.keepCaught(
          tenant.id,
          {
            id: ready.row.notificationId,
            address: ready.address,
            subject: ready.subject,
            message: ready.message
          },
          now
        ),
        write("leased", leaseId, [
          { id: ready.row.notificationId, state: "caught", reason: delivery, dueAt: null }
        ])
      )
    )
  })

  /** Ends the lease of messages. What was cancelled, or is another worker's by now, is left alone. */
  const release = Effect.fnUntraced(function* (
    leaseId: string,
    rows: ReadonlyArray<Statements.ClaimedRow>,
    afterMillis: number,
    jobs: "enqueued" | "retried" = "enqueued"
  ) {
    const now = yield* Now.now
    const dueAt = new Date(now.getTime() + afterMillis)
    yield* write(
      "leased",
      leaseId,
      rows.map(({ notificationId }) => ({ id: notificationId, state: "pending", reason: null, dueAt })),
      jobs
    )
  })

  /**
   * Commits that a group is about to be sent, and in the same commit the outcomes of the group before. Returns the group's
   * messages that are still of this lease.
   */
  const advance = Effect.fnUntraced(function* (
    leaseId: string,
    unwritten: ReadonlyArray<Statements.Change>,
    group: ReadonlyArray<Composition.Ready>
  ) {
    // A retry brings a job: that is a transaction.
    const isPlain = options.marksSending && unwritten.every(({ dueAt }) => dueAt === null)
    if (!isPlain) yield* write(sending, leaseId, unwritten)
    if (!options.marksSending) return group
    const tenant = yield* Tenant
    const now = yield* Now.now
    const rows = yield* statements
      .advance(
        tenant.id,
        leaseId,
        isPlain ? unwritten : [],
        group.map(({ row }) => row.notificationId),
        now,
        new Date(now.getTime() + options.leaseMillis)
      )
      .pipe(Effect.retry({ while: isConflict, times: conflictRetriesMax }))
    if (isPlain) yield* Attempts.count(unwritten)
    const marked = new Set(rows.map(({ id }) => id))
    return group.filter(({ row }) => marked.has(row.notificationId))
  })

  /**
   * Sends one group: `sending` is committed, then all of it is in flight at once. `unwritten` has the outcomes of the group
   * before, and then those of this one that came last. Returns false when no server was reached.
   */
  const sendGroup = Effect.fnUntraced(function* (
    leaseId: string,
    unwritten: Array<Statements.Change>,
    group: ReadonlyArray<Composition.Ready>
  ) {
    const marked = yield* advance(leaseId, unwritten, group)
    unwritten.length = 0
    // Their lease ended while the groups before were sent, and the chunk's job ends with the chunk.
    yield* release(
      leaseId,
      group.flatMap((ready) => (marked.includes(ready) ? [] : [ready.row])),
      0
    )
    const collected = yield* Outcomes.collect(marked, sendOne, (changes) => write(sending, leaseId, changes))
    unwritten.push(...collected.unwritten)
    const sent = yield* Effect.forEach(collected.exits, (exit) => exit)
    return sent.length === 0 || sent.some(({ isUnavailable }) => !isUnavailable)
  })

  const send = Effect.fn("NotificationDelivery.send")(function* (ids: ReadonlyArray<string>) {
    const tenant = yield* Tenant
    const startedAt = yield* Clock.currentTimeMillis
    const now = yield* Now.now
    const leaseId = yield* Identifier.next
    yield* statements.settleUncertain(tenant.id, ids, now, options.attemptsMax)
    const others = yield* statements.leasedByOthers(tenant.id, ids, now)
    if (others.length > 0) {
      const last = new Date(Math.max(...others.map(({ until }) => until.getTime())) + 1)
      yield* Jobs.enqueue(
        queue,
        Jobs.emailJobs(
          others.map(({ id }) => id),
          last
        )
      )
    }
    const leaseEnd = new Date(now.getTime() + options.leaseMillis)
    const claimed = yield* statements.claim(tenant.id, ids, leaseId, now, leaseEnd)
    if (claimed.length === 0) return
    const left = new Map(claimed.map((row) => [row.notificationId, row]))
    /** Outcomes that the next commit writes. */
    const unwritten: Array<Statements.Change> = []
    const settle = Effect.suspend(() =>
      Effect.andThen(
        write(sending, leaseId, unwritten),
        Effect.sync(() => void (unwritten.length = 0))
      )
    )
    const leave = Effect.fnUntraced(function* (afterMillis: number) {
      yield* settle
      yield* release(leaseId, Array.from(left.values()), afterMillis)
      left.clear()
    })
    const work = Effect.gen(function* () {
      const [row] = yield* statements.defaults(tenant.id)
      const defaults = row ?? Decision.builtInDefaults
      const brand = yield* Branding.read(sql, tenant.id)
      const suppressed = yield* suppressions.reasons(
        claimed.flatMap(({ email }) => (email === null ? [] : [email]))
      )
      const { due, exits } = Decision.decideAll(claimed, suppressed, defaults, now)
      yield* write("leased", leaseId, exits)
      for (const { id } of exits) left.delete(id)
      const payloads = new Map(
        (yield* statements.payloads(
          tenant.id,
          Array.from(new Set(due.map(({ triggerId }) => triggerId)))
        )).map(({ payload, triggerId }) => [triggerId, payload])
      )
      const groups = Arr.chunksOf(due, options.groupMax)
      const prepareGroup = (group: ReadonlyArray<Statements.ClaimedRow> = []) =>
        Effect.exit(
          Effect.forEach(group, (message) =>
            prepare(message, payloads.get(message.triggerId) ?? {}, defaults, brand)
          )
        )
      let next = yield* prepareGroup(groups[0])
      for (const [index, group] of groups.entries()) {
        const isLate = (yield* Clock.currentTimeMillis) - startedAt > options.budgetMillis
        if (isLate) return yield* leave(0)
        const prepared = yield* next
        // A group that has begun ends: an interruption would leave messages whose outcome is unknown.
        const wasReached = yield* Effect.uninterruptible(
          Effect.gen(function* () {
            yield* write(
              "leased",
              leaseId,
              prepared.flatMap((result) => (Result.isFailure(result) ? [result.failure] : []))
            )
            const ready = prepared.flatMap((result) => (Result.isSuccess(result) ? [result.success] : []))
            const sent = ready.filter(({ address }) => isSent(address))
            for (const message of ready) if (!isSent(message.address)) yield* catchOne(leaseId, message)
            let isPrepared = false
            const preparing = Effect.tap(prepareGroup(groups[index + 1]), () =>
              Effect.sync(() => void (isPrepared = true))
            )
            // The next group is rendered while this one is on its way. Where that takes longer, outcomes do not wait for it.
            const [reached, after] = yield* Effect.all(
              [
                (sent.length === 0 ? Effect.succeed(true) : sendGroup(leaseId, unwritten, sent)).pipe(
                  Effect.tap(() => (isPrepared ? Effect.void : settle))
                ),
                preparing
              ],
              { concurrency: "unbounded" }
            )
            next = after
            for (const { notificationId } of group) left.delete(notificationId)
            return reached
          })
        )
        if (!wasReached) return yield* leave(unreachableMillis)
      }
      yield* settle
    })
    // The rest goes back at once when the worker stops. After a failure the chunk's job is retried: with a new job per failure
    // too, one message that cannot be sent would double its jobs with each attempt.
    yield* work.pipe(
      Effect.onError((cause) =>
        Effect.ignore(
          Effect.suspend(() => {
            const jobs = Cause.hasInterruptsOnly(cause) ? "enqueued" : "retried"
            return Effect.andThen(Effect.ignore(settle), release(leaseId, Array.from(left.values()), 0, jobs))
          })
        )
      )
    )
  })

  const run = Effect.fnUntraced(function* (payload: unknown) {
    const { ids } = yield* decodePayload(payload)
    yield* send(ids)
  })

  return NotificationDelivery.of({ send, run })
})
