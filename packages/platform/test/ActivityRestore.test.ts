import { assert, describe, it } from "@effect/vitest"
import * as Audit from "@hypermarket/core/Audit"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Now from "@hypermarket/core/Now"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { ActivityLog } from "@hypermarket/platform/ActivityLog"
import { ActivitySeals } from "@hypermarket/platform/ActivitySeals"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as InstalledPostgres from "@hypermarket/testing/InstalledPostgres"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Support from "./auditSupport.ts"

const { absence, binaries } = InstalledPostgres
const tenant = TenantId.make("moved")
const neighbour = TenantId.make("moved-too")

const migrate = (url: string) =>
  Migrations.run([CoreDomain.migrations, PlatformDomain.domain.migrations], "public").pipe(
    Effect.provide(Database.layerDirect(TestDatabase.optionsOf(url)))
  )

/** The log on a server, signed with the first of the keys. */
const layerOn = (url: string, ...keys: ReadonlyArray<string>) =>
  Layer.mergeAll(ActivityLog.layer, ActivitySeals.layer, ActivityLog.layerAudit).pipe(
    Support.withKeys(...keys),
    Layer.provideMerge(Database.layer(TestDatabase.optionsOf(url), "hm-test")),
    Layer.provideMerge(Now.layerTest)
  )

/** Numbers and texts that only an exact copy keeps. */
const details = [
  { amount: -0, rate: 1e21, tiny: 5e-324, sum: 0.1 + 0.7 },
  { name: "Zoe\u0308 \u0000 \ud83d\ude80 \udfff alone", list: [[], {}, null, ""] }
]

const written = Effect.gen(function* () {
  yield* Support.fillLogs([tenant, neighbour])
  const sql = yield* SqlClient.SqlClient
  for (const after of details) {
    yield* sql.withTransaction(
      Audit.record({ action: "item.changed", target: { type: "item", id: "\u00fc\u0000" }, after })
    )
  }
  yield* Support.seal
  // The last row is in the dump, and under no checkpoint yet.
  yield* Support.changeItem("unsealed", 1, 2)
  return yield* Support.kept
}).pipe(provide(tenant))

const temporaryFile = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "hm-dump-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
).pipe(Effect.map((folder) => join(folder, "log.dump")))

describe("An activity log that is restored into another server", () => {
  it.live.skipIf(binaries === undefined)(
    `raises no alarm, goes on, and still shows what is changed there${absence}`,
    () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        const source = yield* InstalledPostgres.cluster(binaries)
        yield* migrate(source)
        const before = yield* written.pipe(Effect.provide(layerOn(source, "k1")))
        yield* InstalledPostgres.dump(source, file)
        const target = yield* InstalledPostgres.cluster(binaries)
        yield* InstalledPostgres.restore(target, file)

        yield* Effect.gen(function* () {
          const restored = yield* Support.verdicts(before)
          assert.deepInclude(restored.report, { rows: 11, checkpoints: 4, unsealed: 1, problems: [] })
          assert.deepStrictEqual(restored.stranger, [])

          // The new server seals what the old one left, the entry of the export above, and a new change.
          yield* Support.changeItem("later", 3, 4)
          yield* Support.seal
          const later = yield* Support.kept
          assert.sameMembers(Object.keys(later.keys), ["k1", "k2"])
          const continued = yield* Support.verdicts(later)
          assert.deepInclude(continued.report, { rows: 14, checkpoints: 5, problems: [] })
          assert.deepStrictEqual(continued.stranger, [])

          yield* Support.tamper(
            `UPDATE hm_platform_activity_log
                SET detail = replace(detail, 'Zoe', 'Joe')
              WHERE tenant_id = '${tenant}'`
          )
          const changed = yield* Support.verdicts(later)
          assert.isNotEmpty(changed.report.problems)
          assert.isNotEmpty(changed.stranger)
        }).pipe(provide(tenant), Effect.provide(layerOn(target, "k2", "k1")))
      })
  )
})
