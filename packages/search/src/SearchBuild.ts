/**
 * The background work on versions: building what was started, removing what was retired. Any number of processes may do
 * it at once; a version is held by a lease, and one whose holder was killed is gone on with by another.
 *
 * @since 0.1.0
 */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as FailureText from "@hypermarket/core/FailureText"
import * as Identifier from "@hypermarket/core/Identifier"
import { now } from "@hypermarket/core/Now"
import * as Storage from "@hypermarket/core/Storage"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import * as Partition from "./internal/partition.ts"
import * as VersionBuild from "./internal/versionBuild.ts"
import { IndexName, VersionId } from "./SearchIndex.ts"
import { SearchIndexVersions } from "./SearchIndexVersions.ts"
import { SearchSettings } from "./SearchSettings.ts"

/** A killed builder's version is taken over after this long. */
const leaseSeconds = 30
const heartbeatInterval = "10 seconds"
/** The first attempt and the ones after kills and outages. */
const attemptsMax = 10
/** Longer than any search may take: its deadline is seconds. */
const removalGraceSeconds = 60
const removalsMax = 20
/** The job has a deadline of 10 minutes: the next round begins with other tenants. */
const removalRoundLimit = "9 minutes"

const TakenRow = Schema.Struct({
  tenantId: TenantId,
  versionId: VersionId,
  indexName: Schema.String
})

const Taken = Schema.Struct({
  ...TakenRow.fields,
  indexName: IndexName,
  phase: Schema.Literals(["none", "documents", "postings"]),
  settings: SearchSettings,
  attempts: Schema.Int
})

/**
 * @category services
 * @since 0.1.0
 */
export class SearchBuilds extends Context.Service<
  SearchBuilds,
  {
    /** Builds one version that was started, and tries its gates. False when there was nothing to do. */
    readonly buildNext: Effect.Effect<boolean, SqlError, AllTenants>
    /** Removes the rows of versions that were retired or have failed a minute ago. */
    readonly removeRetired: Effect.Effect<number, SqlError, AllTenants>
  }
>()("@hypermarket/search/SearchBuilds") {
  static readonly layer: Layer.Layer<SearchBuilds, never, SqlClient.SqlClient | SearchIndexVersions> =
    Layer.effect(
      SearchBuilds,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const versions = yield* SearchIndexVersions
        const storage = Effect.provideService(SqlClient.SqlClient, sql)
        const decode = Schema.decodeUnknownEffect(Taken)
        const decodeRow = Schema.decodeUnknownEffect(TakenRow)

        /**
         * Leases the next version: of a tenant with the fewest builds in work, then of the one whose last build ended first.
         * So a tenant with many versions does not hold up the only one of another.
         */
        const take = (leaseId: string) =>
          sql`
          UPDATE hm_search_index_version
             SET lease_id = ${leaseId}::uuid, lease_until = clock_timestamp() + ${leaseSeconds}::int * interval '1 second',
                 attempts = attempts + 1
           WHERE (tenant_id, version_id) = (
                 SELECT v.tenant_id, v.version_id
                   FROM hm_search_index_version v
                   LEFT JOIN LATERAL (
                        SELECT count(*) FILTER (WHERE o.lease_until >= clock_timestamp()) AS leased,
                               max(o.updated_at) FILTER (WHERE o.status NOT IN ('building', 'validating')) AS ended_at
                          FROM hm_search_index_version o
                         WHERE o.tenant_id = v.tenant_id) tenant ON true
                  WHERE v.status IN ('building', 'validating')
                    AND (v.lease_until IS NULL OR v.lease_until < clock_timestamp())
                  ORDER BY tenant.leased, v.attempts > 0, tenant.ended_at NULLS FIRST, v.recorded_at
                  LIMIT 1
                    FOR UPDATE OF v SKIP LOCKED)
          RETURNING tenant_id AS "tenantId", version_id::text AS "versionId", index_name AS "indexName", phase, settings,
                    attempts
        `.pipe(Effect.map(([row]) => row))

        /** Holds the lease until interrupted. Fails when another worker has it. */
        const heartbeat = (taken: typeof Taken.Type, leaseId: string) =>
          sql`
          UPDATE hm_search_index_version
             SET lease_until = clock_timestamp() + ${leaseSeconds}::int * interval '1 second'
           WHERE tenant_id = ${taken.tenantId} AND version_id = ${taken.versionId}::text::bigint
             AND lease_id = ${leaseId}::uuid
          RETURNING 1
        `.pipe(
            Effect.flatMap((rows) =>
              rows.length === 0
                ? Effect.fail(new VersionBuild.LeaseLost({ versionId: taken.versionId }))
                : Effect.void
            ),
            Effect.repeat(Schedule.spaced(heartbeatInterval)),
            Effect.andThen(Effect.never)
          )

        /** Lets the next attempt begin, at once after an orderly stop. */
        const release = (leaseId: string, afterSeconds: number) => sql`
        UPDATE hm_search_index_version
           SET lease_id = NULL, lease_until = clock_timestamp() + ${afterSeconds}::int * interval '1 second'
         WHERE status IN ('building', 'validating') AND lease_id = ${leaseId}::uuid
      `

        const fail = Effect.fnUntraced(function* (
          taken: typeof TakenRow.Type,
          leaseId: string,
          failure: string
        ) {
          const moment = yield* now
          yield* sql`
          UPDATE hm_search_index_version
             SET status = 'failed', failure = left(${failure}, 1000), retired_at = ${moment}, lease_id = NULL,
                 lease_until = NULL, version = version + 1, updated_at = ${moment}
           WHERE tenant_id = ${taken.tenantId} AND version_id = ${taken.versionId}::text::bigint
             AND lease_id = ${leaseId}::uuid
        `
          yield* Effect.logWarning(`Version ${taken.versionId} of ${taken.indexName} failed: ${failure}`)
        })

        const build = Effect.fnUntraced(function* (taken: typeof Taken.Type, leaseId: string) {
          yield* VersionBuild.run({ ...taken, leaseId }).pipe(storage)
          yield* versions.validate(taken.indexName, taken.versionId)
        })

        const pauseSeconds = 5

        const settle = (
          taken: typeof Taken.Type,
          leaseId: string,
          cause: Cause.Cause<unknown>
        ): Effect.Effect<void, SqlError> => {
          if (Cause.hasInterruptsOnly(cause)) return Effect.void
          const error = Cause.squash(cause)
          if (error instanceof VersionBuild.LeaseLost) return Effect.void
          const mayPass = isSqlError(error) && Storage.isRetryable(error)
          return mayPass && taken.attempts < attemptsMax
            ? Effect.asVoid(release(leaseId, pauseSeconds))
            : fail(taken, leaseId, FailureText.describe(cause))
        }

        const buildTaken = (taken: typeof Taken.Type, leaseId: string) =>
          taken.attempts > attemptsMax
            ? fail(taken, leaseId, `given up after ${attemptsMax} attempts`)
            : Effect.raceFirst(build(taken, leaseId), heartbeat(taken, leaseId)).pipe(
                provide(taken.tenantId),
                Effect.onExit((exit) =>
                  Exit.isSuccess(exit) ? Effect.void : Effect.ignore(settle(taken, leaseId, exit.cause))
                ),
                // What ended it is in the version's row.
                Effect.catchTag(
                  ["LeaseLost", "BuildRefused", "SearchVersionNotFound", "SearchVersionState"],
                  () => Effect.void
                ),
                Effect.catchCause((cause) => EachTenant.report("search.version.build", taken.tenantId, cause))
              )

        const work = Effect.fnUntraced(function* (row: Readonly<Record<string, unknown>>, leaseId: string) {
          const { tenantId, versionId } = yield* Effect.orDie(decodeRow(row))
          yield* decode(row).pipe(
            Effect.matchEffect({
              // Settings that this release cannot read: the version has failed, and the others are built.
              onFailure: (error) =>
                Effect.gen(function* () {
                  const { text } = yield* EachTenant.report(
                    "search.version.build",
                    tenantId,
                    Cause.fail(error)
                  )
                  yield* fail({ tenantId, versionId, indexName: String(row["indexName"]) }, leaseId, text)
                }),
              onSuccess: (taken) => Effect.asVoid(buildTaken(taken, leaseId))
            })
          )
          return true
        })

        const buildNext = Effect.gen(function* () {
          yield* AllTenants
          const leaseId = yield* Identifier.next
          // A worker that is stopped while the lease commits lets it go as well: the next one need not wait for its end.
          return yield* Effect.acquireUseRelease(
            take(leaseId),
            (row) => (row === undefined ? Effect.succeed(false) : work(row, leaseId)),
            (_, exit) => (Exit.hasInterrupts(exit) ? Effect.ignore(release(leaseId, 0)) : Effect.void)
          )
        }).pipe(Effect.withSpan("SearchBuilds.buildNext"))

        const removeOf = Effect.fnUntraced(function* (tenantId: string, before: Date, moment: Date) {
          const due = yield* sql<{ readonly versionId: string }>`
          SELECT version_id::text AS "versionId"
            FROM hm_search_index_version
           WHERE tenant_id = ${tenantId}
             AND status IN ('retired', 'failed')
             AND removed_at IS NULL
             AND retired_at <= ${before}
           ORDER BY retired_at
           LIMIT ${removalsMax}
        `
          let count = 0
          for (const { versionId } of due) {
            const outcome = yield* Partition.remove(tenantId, versionId).pipe(
              storage,
              Effect.andThen(sql`
              UPDATE hm_search_index_version
                 SET removed_at = ${moment}, statistics = NULL
               WHERE tenant_id = ${tenantId} AND version_id = ${versionId}::text::bigint
            `),
              Effect.asSome,
              // An old reader holds it up: it is tried again by the next run, and the others need not wait.
              Effect.catchIf(Partition.isHeldUp, () => Effect.succeedNone)
            )
            if (Option.isSome(outcome)) count++
          }
          return { count, hasMore: count > 0 && due.length === removalsMax }
        })

        const removeRetired = Effect.gen(function* () {
          yield* AllTenants
          const moment = yield* now
          const before = new Date(moment.getTime() - removalGraceSeconds * 1000)
          const tenants = yield* sql<{ readonly tenantId: string }>`
          SELECT DISTINCT tenant_id AS "tenantId"
            FROM hm_search_index_version
           WHERE status IN ('retired', 'failed')
             AND removed_at IS NULL
             AND retired_at <= ${before}
        `
          const round = yield* EachTenant.run({
            loop: "search.version.remove",
            items: tenants,
            limit: removalRoundLimit,
            turn: ({ tenantId }) => removeOf(tenantId, before, moment)
          })
          return round.count
        }).pipe(storage, Effect.withSpan("SearchBuilds.removeRetired"))

        return SearchBuilds.of({ buildNext, removeRetired })
      })
    )
}
