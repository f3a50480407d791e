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
import { transactionOf } from "@hypermarket/core/Transaction"
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
import * as Metric from "effect/Metric"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Composition from "./internal/composition.ts"
import * as Decision from "./internal/decision.ts"
import * as Statements from "./internal/deliveryStatements.ts"
import * as Jobs from "./internal/jobs.ts"
import * as Outcomes from "./internal/outcomes.ts"
import { CompiledTemplates } from "./internal/template/compiledTemplates.ts"
import { MailProvider, type SendOutcome } from "./MailProvider.ts"
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

/** Doubles from half a minute to an hour: some six hours in all. */
const backoffBaseMillis = 30_000
const backoffMaxMillis = 3_600_000
/** The rest of a chunk waits when the server is not reached, without counting as an attempt. */
const unreachableMillis = 30_000
const outcomes = Metric.counter("hm_notifications_messages_total", {
  description: "Messages by channel and outcome of the attempt",
  incremental: true
})

const uncertainTotal = Metric.counter("hm_notifications_uncertain_total", {
  description: "Attempts whose outcome is unknown",
  incremental: true
})

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

  const backoff = (attempts: number, now: Date): Date =>
    new Date(now.getTime() + Math.min(backoffMaxMillis, backoffBaseMillis * 2 ** Math.max(0, attempts - 1)))

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
    yield* Effect.forEach(
      changes,
      ({ reason, state }) =>
        Effect.andThen(
          Metric.update(Metric.withAttributes(outcomes, { channel: "email", state }), 1),
          reason === "outcome-unknown" ? Metric.update(uncertainTotal, 1) : Effect.void
        ),
      { discard: true }
    )
  })

  const changeOf = Effect.fnUntraced(function* (ready: Composition.Ready, outcome: SendOutcome) {
    const now = yield* Now.now
    const id = ready.row.notificationId
    const attempts = ready.row.attempts + 1
    const isLast = attempts >= options.attemptsMax
    const again = (reason: string): Statements.Change =>
      isLast
        ? { id, state: "dead", reason, dueAt: null }
        : { id, state: "retry", reason, dueAt: backoff(attempts, now) }
    switch (outcome._tag) {
      case "accepted":
        return {
          id,
          state: "accepted",
          reason: null,
          dueAt: null,
          providerMessageId: outcome.detail
        } as const
      case "bounced":
        yield* suppressions.suppressReported([
          { address: ready.address, reason: "bounce", detail: outcome.detail }
        ])
        return { id, state: "bounced", reason: outcome.detail, dueAt: null } as const
      case "refused":
        return { id, state: "dead", reason: outcome.detail, dueAt: null } as const
      case "unsupported":
        return { id, state: "dead", reason: "address_unsupported", dueAt: null } as const
      case "deferred":
        return again(outcome.detail)
      case "unknown":
        if (ready.row.whenUnknown === "retry" && !isLast) {
          return { id, state: "retry", reason: "outcome-unknown", dueAt: backoff(attempts, now) } as const
        }
        return { id, state: "unknown", reason: "outcome-unknown", dueAt: null } as const
    }
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

  /** Sends one group: `sending` is committed, then all of it is in flight at once. Returns false when none was reached. */
  const sendGroup = Effect.fnUntraced(function* (leaseId: string, group: ReadonlyArray<Composition.Ready>) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const leaseEnd = new Date(now.getTime() + options.leaseMillis)
    const marked = options.marksSending
      ? new Set(
          (yield* statements.markSending(
            tenant.id,
            leaseId,
            group.map(({ row }) => row.notificationId),
            now,
            leaseEnd
          )).map(({ id }) => id)
        )
      : new Set(group.map(({ row }) => row.notificationId))
    // Their lease ended while the groups before were sent, and the chunk's job ends with the chunk.
    yield* release(
      leaseId,
      group.flatMap(({ row }) => (marked.has(row.notificationId) ? [] : [row])),
      0
    )
    const exits = yield* Outcomes.collect(
      group.filter(({ row }) => marked.has(row.notificationId)),
      sendOne,
      (changes) => write(options.marksSending ? "sending" : "leased", leaseId, changes)
    )
    const sent = yield* Effect.forEach(exits, (exit) => exit)
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
      const last = new Date(Math.max(...others.map(({ dueAt }) => dueAt.getTime())) + 1)
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
    const work = Effect.gen(function* () {
      const [row] = yield* statements.defaults(tenant.id)
      const defaults = row ?? Decision.builtInDefaults
      const suppressed = yield* suppressions.reasons(
        claimed.flatMap(({ email }) => (email === null ? [] : [email]))
      )
      const exits: Array<Statements.Change> = []
      const due: Array<Statements.ClaimedRow> = []
      for (const message of claimed) {
        const decided = Decision.decide(message, defaults, now)
        const reason = message.email === null ? undefined : suppressed.get(message.email)
        // A complaint is no hard bounce: what is owed is still sent.
        const isOwed = (message.kind === "required" || message.critical) && reason === "complaint"
        if (decided !== undefined && decided.state !== "held") exits.push(decided)
        else if (reason !== undefined && !isOwed) {
          exits.push({ id: message.notificationId, state: "suppressed", reason, dueAt: null })
        } else if (decided !== undefined) exits.push(decided)
        else due.push(message)
      }
      yield* write("leased", leaseId, exits)
      for (const { id } of exits) left.delete(id)
      const payloads = new Map(
        (yield* statements.payloads(
          tenant.id,
          Array.from(new Set(due.map(({ triggerId }) => triggerId)))
        )).map(({ payload, triggerId }) => [triggerId, payload])
      )
      for (const group of Arr.chunksOf(due, options.groupMax)) {
        if ((yield* Clock.currentTimeMillis) - startedAt > options.budgetMillis) {
          yield* release(leaseId, Array.from(left.values()), 0)
          left.clear()
          return
        }
        // A group that has begun ends: an interruption would leave messages whose outcome is unknown.
        const wasReached = yield* Effect.uninterruptible(
          Effect.gen(function* () {
            const prepared = yield* Effect.forEach(group, (message) =>
              prepare(message, payloads.get(message.triggerId) ?? {}, defaults)
            )
            yield* write(
              "leased",
              leaseId,
              prepared.flatMap((result) => (Result.isFailure(result) ? [result.failure] : []))
            )
            const ready = prepared.flatMap((result) => (Result.isSuccess(result) ? [result.success] : []))
            const sent = ready.filter(({ address }) => isSent(address))
            for (const message of ready) if (!isSent(message.address)) yield* catchOne(leaseId, message)
            const reached = sent.length === 0 || (yield* sendGroup(leaseId, sent))
            for (const { notificationId } of group) left.delete(notificationId)
            return reached
          })
        )
        if (!wasReached) {
          yield* release(leaseId, Array.from(left.values()), unreachableMillis)
          left.clear()
          return
        }
      }
    })
    // The rest goes back at once when the worker stops. After a failure the chunk's job is retried: with a new job per failure
    // too, one message that cannot be sent would double its jobs with each attempt.
    yield* work.pipe(
      Effect.onError((cause) =>
        Effect.ignore(
          Effect.suspend(() => {
            const jobs = Cause.hasInterruptsOnly(cause) ? "enqueued" : "retried"
            return release(leaseId, Array.from(left.values()), 0, jobs)
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
