import { assert, layer } from "@effect/vitest"
import * as Actor from "@hypermarket/core/Actor"
import * as Audit from "@hypermarket/core/Audit"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import { FlagSegments } from "@hypermarket/platform/FlagSegments"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Deferred, Effect, Fiber, Layer } from "effect"
import * as SqlClient from "effect/sql/SqlClient"

const TestLayer = PlatformDomain.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, PlatformDomain.domain.migrations))
)

const on = { isEnabled: true, rules: [], otherwise: { variant: "on" } }
const off = { isEnabled: true, rules: [], otherwise: { variant: "off" } }

const revisions = Effect.fnUntraced(function* (tenantId: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly environment: string; readonly revision: string }>`
    SELECT environment, revision::text AS revision
      FROM hm_platform_flag_revision
     WHERE tenant_id = ${tenantId}
     ORDER BY environment
  `
  return Object.fromEntries(rows.map(({ environment, revision }) => [environment, Number(revision)]))
})

layer(TestLayer, { excludeTestServices: true })("FeatureFlags", (it) => {
  it.effect("gives every change of an environment the next revision, also when many come at once", () =>
    Effect.gen(function* () {
      const tenantId = TenantId.make("gapless")
      const flags = yield* FeatureFlags
      const changes = 24
      yield* Effect.gen(function* () {
        yield* Effect.forEach(
          Array.from({ length: changes }, (_, index) => index),
          (index) =>
            Effect.gen(function* () {
              const flagKey = `flag-${index}`
              yield* flags.create({ flagKey, kind: "boolean", environments: { live: on } })
              yield* flags.setEnvironment(flagKey, "live", 1, off)
              yield* flags.setEnvironment(flagKey, "staging", 2, on)
            }),
          { concurrency: 4, discard: true }
        )
        // What changes no evaluation raises no revision.
        yield* flags.change("flag-0", 3, { owner: "team", description: "words" })
        yield* flags.setEnvironment("flag-0", "live", 4, off)
      }).pipe(provide(tenantId))
      assert.deepStrictEqual(yield* revisions(tenantId), { live: 2 * changes, staging: changes })
    })
  )

  it.effect("raises every environment with a segment, and none when the change is rolled back", () =>
    Effect.gen(function* () {
      const tenantId = TenantId.make("segments")
      const flags = yield* FeatureFlags
      const segments = yield* FlagSegments
      const sql = yield* SqlClient.SqlClient
      yield* flags
        .create({ flagKey: "f", kind: "boolean", environments: { live: on, test: off } })
        .pipe(provide(tenantId))
      yield* segments.create({ segmentKey: "s", condition: { any: [] } }).pipe(provide(tenantId))
      assert.deepStrictEqual(yield* revisions(tenantId), { live: 2, test: 2 })
      const failed = flags
        .setEnvironment("f", "live", 1, off)
        .pipe(
          Effect.andThen(segments.change("s", 1, { condition: { all: [] } })),
          Effect.andThen(Effect.fail("rolled back" as const)),
          provide(tenantId)
        )
      assert.strictEqual(yield* Effect.flip(sql.withTransaction(failed)), "rolled back")
      assert.deepStrictEqual(yield* revisions(tenantId), { live: 2, test: 2 })
      const flag = yield* flags.get("f").pipe(provide(tenantId))
      assert.deepStrictEqual([flag.version, flag.environments["live"]], [1, on])
    })
  )

  it.effect(
    "fails with the other change's request when that holds the environment, and ends nothing else",
    () =>
      Effect.gen(function* () {
        const tenantId = TenantId.make("busy")
        const flags = yield* FeatureFlags
        const sql = yield* SqlClient.SqlClient
        yield* Effect.forEach(["a", "b", "c"], (flagKey) =>
          flags.create({ flagKey, kind: "boolean", environments: { live: on } }).pipe(provide(tenantId))
        )
        const held = yield* Deferred.make<void>()
        const release = yield* Deferred.make<void>()
        const holder = yield* flags
          .setEnvironment("a", "live", 1, off)
          .pipe(
            Effect.andThen(Deferred.succeed(held, undefined)),
            Effect.andThen(Deferred.await(release)),
            sql.withTransaction,
            provide(tenantId),
            Effect.provideService(Actor.Actor, { type: "key", id: "k", requestId: "req-of-the-other" }),
            Effect.forkChild
          )
        yield* Deferred.await(held)
        const outcome = yield* Effect.gen(function* () {
          const busy = yield* Effect.flip(flags.setEnvironment("b", "live", 1, off))
          // The caller's transaction goes on: another environment is free.
          yield* flags.setEnvironment("c", "test", 1, on)
          const [row] = yield* sql<{ readonly timeout: string }>`
          SELECT current_setting('lock_timeout') AS timeout
        `
          return { busy, timeout: row?.timeout }
        }).pipe(sql.withTransaction, provide(tenantId))
        assert.deepInclude(outcome.busy, { _tag: "FlagRevisionBusy", requestId: "req-of-the-other" })
        assert.strictEqual(outcome.timeout, "5s")
        yield* Deferred.succeed(release, undefined)
        yield* Fiber.join(holder)
        assert.deepStrictEqual(yield* revisions(tenantId), { live: 4, test: 1 })
        const flag = yield* flags.get("b").pipe(provide(tenantId))
        assert.deepStrictEqual(flag.environments, { live: on })
      })
  )

  it.effect("records each change in its transaction, with what it was before and after", () =>
    Effect.gen(function* () {
      const entries: Array<Audit.Entry> = []
      const audit: Audit.Audit = { record: (entry) => Effect.sync(() => void entries.push(entry)) }
      const flags = yield* FeatureFlags
      yield* Effect.gen(function* () {
        yield* flags.create({ flagKey: "audited", kind: "boolean", environments: { live: on } })
        yield* flags.kill("audited", "live", "errors")
        yield* flags.kill("audited", "live", "errors again")
        yield* flags.archive("audited", 2, "done")
      }).pipe(Effect.provideService(Audit.Audit, audit), provide(TenantId.make("audited")))
      assert.deepStrictEqual(
        entries.map(({ action, target }) => [action, target.id]),
        [
          ["flag.created", "audited"],
          ["flag.killed", "audited"],
          ["flag.archived", "audited"]
        ]
      )
      assert.include(JSON.stringify(entries[1]), `"reason":"errors"`)
    })
  )

  it.effect("lists one flag per environment in the view", () =>
    Effect.gen(function* () {
      const flags = yield* FeatureFlags
      const sql = yield* SqlClient.SqlClient
      const tenantId = TenantId.make("viewed")
      yield* flags
        .create({
          flagKey: "v",
          kind: "boolean",
          environments: { live: on, test: { ...on, isEnabled: false } }
        })
        .pipe(provide(tenantId))
      const rows = yield* sql`
        SELECT flag_key, environment, is_enabled
          FROM hm_platform_feature_flag
         WHERE tenant_id = ${tenantId}
         ORDER BY environment
      `
      assert.deepStrictEqual(rows, [
        { flag_key: "v", environment: "live", is_enabled: true },
        { flag_key: "v", environment: "test", is_enabled: false }
      ])
    })
  )
})
