/**
 * Kills of builders between the commits of a build. In each window a version that activates is started, the builders are
 * killed while its row shows that window, and the version must be active in the end.
 */
import * as Storage from "@hypermarket/core/Storage"
import { type IndexName, products, type VersionId } from "@hypermarket/search/SearchIndex"
import { SearchIndexVersions } from "@hypermarket/search/SearchIndexVersions"
import type * as Crew from "@hypermarket/soak/Crew"
import * as HeldTransaction from "@hypermarket/testing/HeldTransaction"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"

/**
 * Between two commits of a build: leased, documents copied, postings written, and the activation, which has stored the
 * results of the gates and waits for the row of the active version.
 */
export const windows = ["leased", "documents", "validating", "activating"] as const

export type Window = (typeof windows)[number]

/** A window that a kill came too late for is tried again. */
const attemptsMax = 10
const poll = Schedule.spaced("2 millis")

/** Lets a transaction be idle for any time: on a busy machine a build takes longer, and the lock would be lost. */
export const mayIdle = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`SELECT set_config('idle_in_transaction_session_timeout', '0', true)`
)

/** Locks the row of the active version. An activation changes it last: it has stored the results of its gates by then. */
export const lockActiveVersion = (index: IndexName) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      SELECT 1
        FROM hm_search_index i
        JOIN hm_search_index_version v
          ON v.tenant_id = i.tenant_id AND v.version_id = i.active_version
       WHERE i.index_name = ${index}
         FOR UPDATE OF v
    `
  )

interface State {
  readonly status: string
  readonly phase: string
  readonly isLeased: boolean
  readonly leaseId: string | null
  readonly isActivated: boolean
  /** True while a builder waits for a lock. */
  readonly isStopped: boolean
}

const isIn = (window: Window, { isLeased, isStopped, phase, status }: State): boolean => {
  switch (window) {
    case "leased":
      return status === "building" && phase === "none" && isLeased
    case "documents":
      return status === "building" && phase === "documents"
    case "validating":
      return status === "validating"
    case "activating":
      return status === "validating" && isStopped
  }
}

export interface Outcome {
  /** Kills that came within their window. */
  readonly hits: number
  readonly kills: number
  /** Windows in which no kill came. */
  readonly missed: ReadonlyArray<Window>
  /** Versions that were built and never activated. */
  readonly lost: ReadonlyArray<string>
}

/** Kills builders in every window of a build, once each, and waits until each version has ended. */
export const run = Effect.fn("KilledBuilds.run")(function* (crew: Crew.Crew, builders: number) {
  const sql = yield* SqlClient.SqlClient
  const versions = yield* SearchIndexVersions
  const persist = <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.retry(self, {
      while: (error) => isSqlError(error) && Storage.isRetryable(error),
      schedule: Schedule.spaced("50 millis")
    })

  const stateOf = Effect.fnUntraced(function* (versionId: VersionId) {
    const [row] = yield* sql<State>`
      SELECT status, phase, lease_until > clock_timestamp() AS "isLeased", lease_id::text AS "leaseId",
             activated_at IS NOT NULL AS "isActivated",
             EXISTS (
               SELECT 1
                 FROM pg_stat_activity
                WHERE application_name = 'hm-soak-worker' AND wait_event_type = 'Lock') AS "isStopped"
        FROM hm_search_index_version
       WHERE version_id = ${versionId}::text::bigint
    `
    return (
      row ?? {
        status: "absent",
        phase: "none",
        isLeased: false,
        leaseId: null,
        isActivated: false,
        isStopped: false
      }
    )
  })

  const isOver = ({ status }: State) => status !== "building" && status !== "validating"
  const killAll = Effect.forEach(
    Array.from({ length: builders }, (_, n) => n),
    crew.kill,
    { discard: true }
  )

  /**
   * The lease of a killed builder ends after 30 seconds; a run does not wait for it. Its session may still renew it once.
   */
  const endLease = (leaseId: string | null) => sql`
    UPDATE hm_search_index_version
       SET lease_until = clock_timestamp()
     WHERE lease_id = ${leaseId}::uuid AND lease_until > clock_timestamp()
  `

  const killIn = Effect.fnUntraced(function* (window: Window) {
    const letGo =
      window === "activating"
        ? yield* HeldTransaction.hold(Effect.andThen(mayIdle, lockActiveVersion(products)), Effect.void)
        : Effect.void
    const { versionId } = yield* persist(versions.start(products, { activates: true }))
    yield* stateOf(versionId).pipe(
      Effect.repeat({ until: (state) => isIn(window, state) || isOver(state), schedule: poll })
    )
    yield* killAll
    const state = yield* stateOf(versionId)
    yield* letGo
    const ended = yield* Effect.andThen(endLease(state.leaseId), persist(stateOf(versionId))).pipe(
      Effect.repeat({ until: isOver, schedule: Schedule.spaced("50 millis") })
    )
    return { isHit: isIn(window, state), ended, versionId }
  })

  let hits = 0
  let kills = 0
  const missed: Array<Window> = []
  const lost: Array<string> = []
  for (const window of windows) {
    let isOver = false
    for (let attempt = 0; attempt < attemptsMax && !isOver; attempt++) {
      const { ended, isHit, versionId } = yield* killIn(window)
      kills++
      if (isHit) hits++
      if (!ended.isActivated) lost.push(`${versionId}, killed while ${window}, is ${ended.status}`)
      // A lost version stays, and an index may have a few only.
      isOver = isHit || !ended.isActivated
    }
    if (!isOver) missed.push(window)
  }
  const outcome: Outcome = { hits, kills, missed, lost }
  return outcome
})
