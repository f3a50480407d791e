/**
 * The policies of the owners that a process checks for, at most 500 ms old.
 *
 * A poll asks every 200 ms for the revisions of all owners that were checked lately, in one statement. Core's `LiveConfig` has a
 * statement per tenant and poll, and takes no `_system`, whose policies hold for all. The last good policies serve while the
 * database is unavailable.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { RateKind, RatePart } from "../RatePolicy.ts"
import { Json } from "./column.ts"

const Held = Schema.Struct({
  policy: Schema.String,
  kind: RateKind,
  quota: Schema.Int,
  burst: Schema.Int,
  periodMillis: Schema.Int,
  by: Schema.Array(RatePart),
  plans: Schema.Array(Schema.String),
  routes: Schema.Array(Schema.String),
  fallback: Schema.Boolean,
  shadow: Schema.Boolean,
  whenUnavailable: Schema.Literals(["open", "closed"]),
  changedMicros: Schema.Int
})

export type HeldPolicy = typeof Held.Type

const HeldOverride = Schema.Struct({
  policy: Schema.String,
  bucket: Schema.String,
  quota: Schema.NullOr(Schema.Int),
  burst: Schema.NullOr(Schema.Int),
  bypass: Schema.Boolean
})

export type HeldOverride = typeof HeldOverride.Type

/** Rows of which each is decoded alone. */
const Loaded = Schema.Struct({
  revision: Schema.String,
  policies: Schema.Array(Schema.Json),
  overrides: Schema.Array(Schema.Json)
})
const decodeLoaded = Schema.decodeUnknownEffect(Json(Loaded))
const decodeRevisions = Schema.decodeUnknownEffect(Json(Schema.Record(Schema.String, Schema.String)))
const decodeHeld = Schema.decodeUnknownResult(Held)
const decodeOverride = Schema.decodeUnknownResult(HeldOverride)
const decodeName = Schema.decodeUnknownOption(Schema.Struct({ policy: Schema.String }))

/** The revision of an owner that never had a policy. */
const noRevision = "0"

const unreadableTotal = Metric.counter("hm_rate_policies_unreadable_total", {
  description: "Policies and overrides that this process could not read, each time it read them",
  incremental: true
})

export interface OwnerPolicies {
  readonly revision: string
  readonly policies: ReadonlyMap<string, HeldPolicy>
  /** Policies that this release cannot read, or an override of which: a check that names one is not decided. */
  readonly unreadable: ReadonlySet<string>
  /** By policy and bucket. */
  readonly overrides: ReadonlyMap<string, HeldOverride>
}

interface Entry {
  readonly held: OwnerPolicies
  checkedMillis: number
  usedMillis: number
}

/** A read that has not answered yet. */
interface Read {
  readonly startedMillis: number
  readonly answer: Deferred.Deferred<OwnerPolicies, SqlError>
  /** True when this process has changed the policies since the read began. */
  isForgotten: boolean
}

/** A changed policy is seen everywhere within 500 ms: older than this, it is read before the check. */
const ageMaxMillis = 450

const pollInterval = "200 millis"

/** An owner that no check came for in a second is not asked about: a process at rest reads nothing. */
const idleMillis = 1_000

/** Owners whose changed policies a poll reads at the same time: more would take the connections of checks. */
const readsMax = 4

/** The age of policies that were changed by this process. */
const forgotten = Number.NEGATIVE_INFINITY

/** An owner's policies are a few kilobytes; the least recently used ones go. */
const ownersMax = 10_000

export const overrideKey = (policy: string, bucket: string): string => `${policy}\n${bucket}`

const load = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, owner: string) {
  const [row] = yield* sql<{ readonly answer: unknown }>`
    SELECT json_build_object(
             'revision', coalesce((SELECT revision::text FROM hm_rate_revision WHERE tenant_id = ${owner}), ${noRevision}),
             'policies', coalesce((
               SELECT json_agg(json_build_object(
                        'policy', policy, 'kind', kind, 'quota', quota, 'burst', burst,
                        'periodMillis', period_millis, 'by', by, 'plans', plans, 'routes', routes,
                        'fallback', fallback, 'shadow', shadow, 'whenUnavailable', when_unavailable,
                        'changedMicros', changed_micros) ORDER BY policy)
                 FROM hm_rate_policy
                WHERE tenant_id = ${owner}), '[]'),
             'overrides', coalesce((
               SELECT json_agg(json_build_object(
                        'policy', policy, 'bucket', bucket, 'quota', quota, 'burst', burst, 'bypass', bypass))
                 FROM hm_rate_override
                WHERE tenant_id = ${owner}), '[]'))::text AS answer
  `
  const loaded = yield* Effect.orDie(decodeLoaded(row?.answer))
  const unreadable = new Set<string>()
  const readable = <A>(
    rows: ReadonlyArray<Schema.Json>,
    decode: (row: Schema.Json) => Result.Result<A, unknown>
  ) =>
    rows.flatMap((row) => {
      const decoded = decode(row)
      if (Result.isSuccess(decoded)) return [decoded.success]
      unreadable.add(Option.match(decodeName(row), { onNone: () => "", onSome: ({ policy }) => policy }))
      return []
    })
  const policies = readable(loaded.policies, decodeHeld)
  const overrides = readable(loaded.overrides, decodeOverride)
  if (unreadable.size > 0) {
    yield* Metric.update(unreadableTotal, unreadable.size)
    yield* Effect.logError(`Rate policies of ${owner} cannot be read: ${Array.from(unreadable).join(", ")}`)
  }
  return {
    revision: loaded.revision,
    policies: new Map(
      policies.flatMap((policy) => (unreadable.has(policy.policy) ? [] : [[policy.policy, policy] as const]))
    ),
    unreadable,
    overrides: new Map(overrides.map((override) => [overrideKey(override.policy, override.bucket), override]))
  } satisfies OwnerPolicies
})

const nanosPerMilli = 1_000_000

/** Durations of this process; an instant of the database is never compared with them. */
const elapsedMillis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / nanosPerMilli)

export interface PolicyCache {
  /** Returns policies that are at most 500 ms old, or the last good ones when reading fails. */
  readonly get: (owner: string) => Effect.Effect<OwnerPolicies, SqlError>
  /** Returns policies that are at most 500 ms old, without reading. Undefined when they must be read. */
  readonly fresh: (owner: string, nowMillis?: number) => OwnerPolicies | undefined
  /** Returns the last good policies without reading. */
  readonly last: (owner: string) => OwnerPolicies | undefined
  /** Reads them again at the next check of this process. */
  readonly forget: (owner: string) => void
}

/** Starts the poll of a process. It ends with the scope. */
export const make = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  const clock = yield* Clock.Clock
  const scope = yield* Effect.scope
  const entries = new Map<string, Entry>()
  const reads = new Map<string, Read>()
  const nowMillis = () => Number(clock.monotonicTimeNanosUnsafe()) / nanosPerMilli

  const fresh = (owner: string, now = nowMillis()): OwnerPolicies | undefined => {
    const entry = entries.get(owner)
    if (entry === undefined) return undefined
    entry.usedMillis = now
    return now - entry.checkedMillis <= ageMaxMillis ? entry.held : undefined
  }

  const store = (owner: string, held: OwnerPolicies, checkedMillis: number) => {
    // The poll reads for checks that have come: it does not make an owner used.
    const usedMillis = entries.get(owner)?.usedMillis ?? checkedMillis
    entries.delete(owner)
    entries.set(owner, { held, checkedMillis, usedMillis })
    const [oldest] = entries.keys()
    if (entries.size > ownersMax && oldest !== undefined) entries.delete(oldest)
  }

  /**
   * One read per owner at a time, however many checks wait for it; one that is older than policies may be is not waited for. A
   * check that is interrupted does not end it. The age of policies counts from before their read.
   */
  const shared = (owner: string) =>
    Effect.suspend(() => {
      const startedMillis = nowMillis()
      const existing = reads.get(owner)
      if (existing !== undefined && startedMillis - existing.startedMillis <= ageMaxMillis) {
        return Deferred.await(existing.answer)
      }
      const current: Read = { startedMillis, answer: Deferred.makeUnsafe(), isForgotten: false }
      reads.set(owner, current)
      const reading = load(sql, owner).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            if (reads.get(owner) === current) reads.delete(owner)
            const isNewest = startedMillis > (entries.get(owner)?.checkedMillis ?? forgotten)
            if (Exit.isSuccess(exit) && isNewest && !current.isForgotten) {
              store(owner, exit.value, startedMillis)
            }
            Deferred.doneUnsafe(current.answer, exit)
          })
        )
      )
      return Effect.andThen(Effect.forkIn(reading, scope), Deferred.await(current.answer))
    })

  const get = Effect.fnUntraced(function* (owner: string) {
    return fresh(owner) ?? (yield* shared(owner))
  })

  /** An owner whose policies are not read keeps its last good ones, and stops no other. */
  const readAlone = (owner: string) =>
    shared(owner).pipe(
      Effect.catchCause((cause) => Effect.logDebug(`Policies of ${owner} were not read`, cause))
    )

  const poll = Effect.gen(function* () {
    const startedMillis = yield* elapsedMillis
    const used = Array.from(entries).filter(([, entry]) => startedMillis - entry.usedMillis < idleMillis)
    if (used.length === 0) return
    const [row] = yield* sql<{ readonly answer: unknown }>`
      SELECT coalesce(json_object_agg(tenant_id, revision::text), '{}')::text AS answer
        FROM hm_rate_revision
       WHERE tenant_id IN (
             SELECT o.owner
               FROM json_array_elements_text(${JSON.stringify(used.map(([owner]) => owner))}::text::json) AS o (owner)
             )
    `
    const revisions = yield* Effect.orDie(decodeRevisions(row?.answer))
    const changed: Array<string> = []
    for (const [owner, entry] of used) {
      if (
        ((Object.hasOwn(revisions, owner) ? revisions[owner] : undefined) ?? noRevision) !==
        entry.held.revision
      )
        changed.push(owner)
      // Policies that were forgotten meanwhile are read at the next check.
      else if (entry.checkedMillis !== forgotten) entry.checkedMillis = startedMillis
    }
    yield* Effect.forEach(changed, readAlone, { concurrency: readsMax, discard: true })
  }).pipe(Effect.catchCause((cause) => Effect.logDebug("Policies were not read", cause)))
  yield* Effect.forkScoped(Effect.repeat(poll, Schedule.spaced(pollInterval)))

  const cache: PolicyCache = {
    get,
    fresh,
    last: (owner) => entries.get(owner)?.held,
    forget: (owner) => {
      const read = reads.get(owner)
      if (read !== undefined) read.isForgotten = true
      reads.delete(owner)
      const entry = entries.get(owner)
      if (entry !== undefined) entry.checkedMillis = forgotten
    }
  }
  return cache
})
