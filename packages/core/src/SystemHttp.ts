/**
 * Handlers of the operations of the installation.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Metric from "effect/Metric"
import * as SqlClient from "effect/sql/SqlClient"
import type * as Check from "./Check.ts"
import * as Doctor from "./Doctor.ts"
import type * as Domain from "./Domain.ts"
import * as FailureText from "./FailureText.ts"
import * as SettingValue from "./internal/settingValue.ts"
import * as Migrations from "./Migrations.ts"
import * as Now from "./Now.ts"
import manifest from "../package.json" with { type: "json" }
import type * as Setting from "./Setting.ts"
import * as Storage from "./Storage.ts"
import { SystemApi, SystemFigure, SystemFinding, SystemInstallation, SystemSetting } from "./SystemApi.ts"

/**
 * The domains of the process, and the settings and checks that belong to none of them.
 *
 * @category services
 * @since 0.1.0
 */
export class Installation extends Context.Service<
  Installation,
  {
    readonly domains: ReadonlyArray<Domain.Any>
    readonly settings: ReadonlyArray<Setting.Any>
    readonly checks: ReadonlyArray<Check.Check>
  }
>()("@hypermarket/core/SystemHttp/Installation") {}

/** Metrics with attributes have one figure each. A process has some dozens. */
const figuresMax = 1_000

const figuresOf = (snapshots: ReadonlyArray<Metric.Metric.Snapshot>): ReadonlyArray<SystemFigure> =>
  snapshots.flatMap((snapshot) =>
    snapshot.type === "Gauge" && Number.isFinite(Number(snapshot.state.value))
      ? [
          new SystemFigure({
            name: snapshot.id,
            description: snapshot.description ?? "",
            attributes: snapshot.attributes ?? {},
            value: Number(snapshot.state.value)
          })
        ]
      : []
  )

/**
 * The handlers. Requires the installation, and the database. The settings are read when the layer is built, as the process
 * reads them.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  SystemApi,
  "system",
  Effect.fn(function* (handlers) {
    const { checks, domains, settings } = yield* Installation
    const sql = yield* SqlClient.SqlClient
    const startedAt = DateTime.makeUnsafe(yield* Now.now)
    const inForce = yield* Effect.forEach(
      [
        ...settings.map((setting) => ({ domain: "process", setting })),
        ...domains.flatMap(({ name, settings: own }) => own.map((setting) => ({ domain: name, setting })))
      ],
      ({ domain, setting }) =>
        Effect.map(
          SettingValue.read(setting),
          (read) =>
            new SystemSetting({
              domain,
              name: setting.name,
              doc: setting.doc,
              default: setting.defaultText ?? null,
              ...read
            })
        )
    )
    const sets = domains.map(({ migrations }) => migrations)
    const examine = Migrations.examine(sets).pipe(
      Effect.map(Doctor.schemaFinding),
      Effect.catchTag("MigrationRefused", (refused) =>
        Effect.succeed<Doctor.Line>({
          domain: "core",
          check: "schema",
          status: "fail",
          message: FailureText.ofError(refused).message
        })
      )
    )
    return handlers.handleAll({
      listChecks: Effect.fnUntraced(
        function* ({ query }) {
          const schema = yield* examine
          const found =
            schema.status === "fail"
              ? []
              : yield* Doctor.run(
                  checks,
                  domains.filter(({ name }) => query.domain === undefined || query.domain === name)
                )
          return {
            items: [schema, ...found]
              .filter(
                ({ domain, status }) =>
                  (query.domain === undefined || domain === query.domain) &&
                  (query.status === undefined || status === query.status)
              )
              .map(({ hint = null, ...line }) => new SystemFinding({ ...line, hint }))
          }
        },
        Effect.provideService(SqlClient.SqlClient, sql),
        Storage.orUnavailable
      ),
      listSettings: ({ query }) =>
        Effect.succeed({
          items: inForce.filter(({ domain }) => query.domain === undefined || query.domain === domain)
        }),
      getInstallation: Effect.fnUntraced(function* () {
        const [row] = yield* sql<{ readonly release: string }>`
          SELECT current_setting('server_version') AS release
        `
        return new SystemInstallation({
          installedRelease: manifest.version,
          nodeRelease: process.versions.node,
          postgresRelease: row?.release ?? "",
          startedAt,
          domains: domains.map(({ migrations: { migrations }, name }) => {
            const newest = migrations.at(-1)
            return {
              domain: name,
              migrations: migrations.length,
              newestMigration:
                newest === undefined ? null : `${String(newest.id).padStart(4, "0")}_${newest.name}`
            }
          })
        })
      }, Storage.orUnavailable),
      listFigures: ({ query }) =>
        Effect.map(Metric.snapshot, (snapshots) => ({
          items: figuresOf(snapshots)
            .filter(({ name }) => query.name === undefined || query.name === name)
            .slice(0, figuresMax)
        }))
    })
  })
)
