/** A log on a real Postgres, with a signing key, a moved clock and a few tenants. */
import * as Audit from "@hypermarket/core/Audit"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import type * as Migrations from "@hypermarket/core/Migrations"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, type TenantId } from "@hypermarket/core/Tenant"
import { ActivityLog } from "@hypermarket/platform/ActivityLog"
import { ActivitySeals } from "@hypermarket/platform/ActivitySeals"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { createHash } from "node:crypto"
import { strangersVerdict } from "./strangersVerifier.ts"

/** One id always has the same seed. */
export const keyEntry = (id: string): string =>
  `${id}:${createHash("sha256").update(`test seed ${id}`).digest("base64")}`

export const withKeys = (...ids: ReadonlyArray<string>) =>
  Layer.provide(
    ConfigProvider.layer(ConfigProvider.fromUnknown({ HM_PLATFORM_AUDIT_KEY: ids.map(keyEntry).join(",") }))
  )

/** The services with a key `k1`, and the clock that tests move, on a database with some migrations of the package. */
export const layerLogOn = (platform: Migrations.MigrationSet) =>
  Layer.mergeAll(ActivityLog.layer, ActivitySeals.layer, ActivityLog.layerAudit).pipe(
    withKeys("k1"),
    Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, platform)),
    Layer.provideMerge(Now.layerTest)
  )

export const layerLog = layerLogOn(PlatformDomain.domain.migrations)

export const asSystem = Effect.provideService(AllTenants, { actor: "test" })

export const seal = Effect.flatMap(ActivitySeals, (seals) => seals.seal).pipe(asSystem)

/** A change that is recorded in its transaction. */
export const changeItem = (id: string, before: number, after: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql.withTransaction(
      Audit.record({
        action: "item.changed",
        target: { type: "item", id },
        before: { stock: before, same: true },
        after: { stock: after, same: true }
      })
    )
  })

/** Three checkpoints of three rows each, a minute apart, for each tenant. */
export const fillLogs = (tenants: ReadonlyArray<TenantId>) =>
  Effect.gen(function* () {
    const now = yield* Now.TestNow
    for (const round of [1, 2, 3]) {
      for (const item of [1, 2, 3]) {
        yield* Effect.forEach(tenants, (tenant) =>
          changeItem(`${round}-${item}`, item, item + 1).pipe(provide(tenant))
        )
        yield* now.adjust("1 second")
      }
      yield* seal
      yield* now.adjust("1 minute")
    }
  })

/** Runs statements of an attacker who can write to the database. */
export const tamper = (...statements: ReadonlyArray<string>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
  )

const exported = Effect.gen(function* () {
  const log = yield* ActivityLog
  const lines: Array<string> = []
  let next: number | null = 0
  while (next !== null) {
    const part: { readonly lines: ReadonlyArray<string>; readonly next: number | null } =
      yield* log.exportAfter(next)
    lines.push(...part.lines)
    next = part.next
  }
  return lines
})

/** The head and the public keys, as they are kept elsewhere. */
export const kept = Effect.gen(function* () {
  const log = yield* ActivityLog
  const head = yield* log.head
  const keys = yield* log.keys
  return {
    tenantId: head?.tenantId ?? "",
    number: head?.number ?? 0,
    hash: head?.hash ?? "",
    keys: Object.fromEntries(keys.map(({ keyId, publicKey }) => [keyId, publicKey]))
  }
})

/** The verdicts of the command and of the stranger, who have the head and the keys from before. */
export const verdicts = Effect.fnUntraced(function* (before: Effect.Success<typeof kept>) {
  const log = yield* ActivityLog
  const { hash, keys, number, tenantId } = before
  const report = yield* log.verify({ head: { tenantId, number, hash }, keys })
  return { report, stranger: strangersVerdict(yield* exported, before) }
})
