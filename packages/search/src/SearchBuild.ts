/**
 * The background work on versions: building what was started, removing what was retired. Any number of processes may do
 * it at once; a version is held by a lease, and one whose holder was killed is gone on with by another.
 *
 * @since 0.1.0
 */
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

const Taken = Schema.Struct({
  tenantId: TenantId,
  versionId: VersionId,
  indexName: IndexName,
  phase: Schema.Literals(["none", "documents", "postings"]),
  settings: SearchSettings,
  activates: Schema.Boolean,
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

        const take = Effect.fnUntraced(function* (leaseId: string) {
          const [row] = yield* sql`
          UPDATE hm_search_index_version
             SET lease_id = ${leaseId}::uuid, lease_until = clock_timestamp() + ${leaseSeconds}::int * interval '1 second',
                 attempts = attempts + 1
           WHERE (tenant_id, version_id) = (
                 SELECT tenant_id, version_id
                   FROM hm_search_index_version
                  WHERE status IN ('building', 'validating')
                    AND (lease_until IS NULL OR lease_until < clock_timestamp())
                  ORDER BY recorded_at
                  LIMIT 1
                    FOR UPDATE SKIP LOCKED)
          RETURNING tenant_id AS "tenantId", version_id::text AS "versionId", index_name AS "indexName", phase, settings,
                    activates, attempts
        `
          return row === undefined ? undefined : yield* Effect.orDie(decode(row))
        })

        /** Holds the lease until interrupted; fails when somebody else has it. */
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
        const release = (taken: typeof Taken.Type, leaseId: string, afterSeconds: number) => sql`
        UPDATE hm_search_index_version
           SET lease_id = NULL, lease_until = clock_timestamp() + ${afterSeconds}::int * interval '1 second'
         WHERE tenant_id = ${taken.tenantId} AND version_id = ${taken.versionId}::text::bigint
           AND lease_id = ${leaseId}::uuid
      `

        const fail = Effect.fnUntraced(function* (
          taken: typeof Taken.Type,
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
          const validated = yield* versions.validate(taken.indexName, taken.versionId)
          if (taken.activates && validated.status === "ready") {
            yield* versions.activate(taken.indexName, taken.versionId)
          }
        })

        const pauseSeconds = 5

        const settle = (
          taken: typeof Taken.Type,
          leaseId: string,
          cause: Cause.Cause<unknown>
        ): Effect.Effect<void, SqlError> => {
          if (Cause.hasInterruptsOnly(cause)) return Effect.asVoid(release(taken, leaseId, 0))
          const error = Cause.squash(cause)
          if (error instanceof VersionBuild.LeaseLost) return Effect.void
          const mayPass = isSqlError(error) && Storage.isRetryable(error)
          return mayPass && taken.attempts < attemptsMax
            ? Effect.asVoid(release(taken, leaseId, pauseSeconds))
            : fail(taken, leaseId, error instanceof Error ? error.message : String(error))
        }

        const buildNext = Effect.gen(function* () {
          yield* AllTenants
          const leaseId = yield* Identifier.next
          const taken = yield* take(leaseId)
          if (taken === undefined) return false
          if (taken.attempts > attemptsMax) {
            yield* fail(taken, leaseId, `given up after ${attemptsMax} attempts`)
            return true
          }
          yield* Effect.raceFirst(build(taken, leaseId), heartbeat(taken, leaseId)).pipe(
            provide(taken.tenantId),
            Effect.onExit((exit) =>
              Exit.isSuccess(exit) ? Effect.void : Effect.ignore(settle(taken, leaseId, exit.cause))
            ),
            // What ended it stands in the version's row.
            Effect.catchTag(
              ["LeaseLost", "BuildRefused", "SearchVersionNotFound", "SearchVersionState"],
              () => Effect.void
            )
          )
          return true
        }).pipe(Effect.withSpan("SearchBuilds.buildNext"))

        const removeRetired = Effect.gen(function* () {
          yield* AllTenants
          const moment = yield* now
          const due = yield* sql<{ readonly tenantId: string; readonly versionId: string }>`
          SELECT tenant_id AS "tenantId", version_id::text AS "versionId"
            FROM hm_search_index_version
           WHERE status IN ('retired', 'failed') AND removed_at IS NULL
             AND retired_at <= ${new Date(moment.getTime() - removalGraceSeconds * 1000)}
           ORDER BY retired_at
           LIMIT ${removalsMax}
        `
          let removed = 0
          for (const { tenantId, versionId } of due) {
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
            if (Option.isSome(outcome)) removed++
          }
          return removed
        }).pipe(Effect.withSpan("SearchBuilds.removeRetired"))

        return SearchBuilds.of({ buildNext, removeRetired })
      })
    )
}
