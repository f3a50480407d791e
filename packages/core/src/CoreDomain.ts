/**
 * Core as a domain: its three tables, the jobs that keep them, the checks of the database itself.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import manifest from "../package.json" with { type: "json" }
import * as Check from "./Check.ts"
import * as Database from "./Database.ts"
import * as Domain from "./Domain.ts"
import * as IdempotentRequests from "./IdempotentRequests.ts"
import * as EachTenant from "./EachTenant.ts"
import * as Job from "./Job.ts"
import * as Migrations from "./Migrations.ts"
import * as Privileges from "./Privileges.ts"
import * as OutboundAddress from "./OutboundAddress.ts"
import * as Secrets from "./Secrets.ts"
import idempotencyKey from "./migrations/0001_idempotency_key.ts"
import secretKey from "./migrations/0002_secret_key.ts"
import * as CoreSubjectData from "./internal/coreSubjectData.ts"
import loopFailure from "./migrations/0003_loop_failure.ts"

/**
 * @category migrations
 * @since 0.1.0
 */
export const migrations = Migrations.make(
  "core",
  {
    "0001_idempotency_key": idempotencyKey,
    "0002_secret_key": secretKey,
    "0003_loop_failure": loopFailure
  },
  { release: manifest.version }
)

const versionMin = 150_000
const connectionsUsedWarnRatio = 0.8

const serverVersion = Check.make(
  "postgres version",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly number: number; readonly text: string }>`
      SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS text
    `
    return [
      row !== undefined && row.number >= versionMin
        ? { status: "ok" as const, message: `Postgres ${row.text}` }
        : {
            status: "fail" as const,
            message: `Postgres ${row?.text}`,
            hint: "Postgres 15 to 18 are supported"
          }
    ]
  })
)

const connections = Check.make(
  "connections",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly used: number; readonly max: number }>`
      SELECT current_setting('max_connections')::int AS max,
             (SELECT count(*)::int
                FROM pg_stat_activity
               WHERE backend_type = 'client backend') AS used
    `
    const { max, used } = row ?? { max: 0, used: 0 }
    const message = `${used} of ${max} connections are in use`
    return [
      used < max * connectionsUsedWarnRatio
        ? { status: "ok" as const, message }
        : {
            status: "warn" as const,
            message,
            hint: "lower HM_DATABASE_POOL_MAX, or put a transaction pooler in front"
          }
    ]
  })
)

/**
 * @category domains
 * @since 0.1.0
 */
export const domain: Domain.Domain = Domain.make({
  name: "core",
  tables: ["hm_idempotency_key", "hm_secret_key", "hm_loop_failure"],
  migrations,
  layer: Layer.empty,
  jobs: [
    Job.scheduled({ name: "core.idempotency-key.prune", every: "10 minutes", run: IdempotentRequests.prune }),
    Job.scheduled({ name: "core.loop-failure.prune", every: "1 hour", run: EachTenant.prune }),
    Job.scheduled({ name: "core.secret-key.reseal", every: "1 hour", run: Effect.asVoid(Secrets.reseal) })
  ],
  checks: [serverVersion, connections, EachTenant.check, Privileges.check, Secrets.check],
  subjectData: CoreSubjectData.subjectData,
  settings: [...Database.settings, ...OutboundAddress.settings, ...Secrets.settings]
})
