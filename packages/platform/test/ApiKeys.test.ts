import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { Credentials } from "@hypermarket/core/Credentials"
import * as Database from "@hypermarket/core/Database"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import * as KeyCredentials from "@hypermarket/platform/KeyCredentials"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, Deferred, Effect, Fiber, Layer, Option, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"

const acme = TenantId.make("acme")
const globex = TenantId.make("globex")

const TestLayer = Layer.mergeAll(PlatformDomain.layer, KeyCredentials.layer).pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, PlatformDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest),
  Layer.tap((context) =>
    Effect.forEach([acme, globex], (tenantId) =>
      Context.get(context, TenantAccounts).create({ tenantId, name: tenantId })
    ).pipe(Effect.provideService(AllTenants, { actor: "test" }), Effect.orDie)
  )
)

const provideSystem = Effect.provideService(AllTenants, { actor: "test" })

const authenticate = (secret: string | null) =>
  Effect.flatMap(Credentials, (credentials) => credentials.authenticate(Redacted.make(secret ?? "")))

/** Waits until a secret is refused. */
const untilRefused = (secret: string | null) =>
  authenticate(secret).pipe(Effect.repeat({ until: Option.isNone, schedule: Schedule.spaced("50 millis") }))

layer(TestLayer, { excludeTestServices: true })("ApiKeys", (it) => {
  it.effect("stores no secret and shows it once", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeys
      const sql = yield* SqlClient.SqlClient
      const issued = yield* keys
        .create({ name: "one", scopes: ["events:write"] }, "operator")
        .pipe(provide(acme))
      assert.match(issued.secret ?? "", /^hm_[0-9a-f]{32}_[A-Za-z0-9]{43}$/)
      const secretPart = issued.secret?.split("_")[2] ?? ""
      const rows = yield* sql<{ readonly row: string }>`SELECT k::text AS row FROM hm_api_key k`
      for (const { row } of rows) assert.notInclude(row, secretPart)
      assert.notProperty(yield* keys.get(issued.apiKey.apiKeyId).pipe(provide(acme)), "secret")
    })
  )

  it.effect("opens its own tenant with its scopes", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeys
      const issued = yield* keys
        .create({ name: "two", scopes: ["events:write"] }, "operator")
        .pipe(provide(acme))
      const found = Option.getOrThrow(yield* authenticate(issued.secret))
      assert.deepStrictEqual(found.tenantId, Option.some(acme))
      assert.deepStrictEqual(Array.from(found.scopes), ["events:write"])
    })
  )

  it.effect("refuses a secret that is wrong by one letter, of another key, malformed, or unknown", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeys
      const make = keys.create({ name: "three", scopes: ["events:write"] }, "operator").pipe(provide(acme))
      const [one, two] = [(yield* make).secret ?? "", (yield* make).secret ?? ""]
      const last = one.endsWith("A") ? "B" : "A"
      const wrong = [
        one.slice(0, -1) + last,
        one.slice(0, 36) + two.slice(36),
        one.toUpperCase(),
        ` ${one}`,
        one + "A",
        `hm_${"0".repeat(32)}_${"A".repeat(43)}`,
        "",
        "x".repeat(100_000)
      ]
      for (const secret of wrong)
        assert.isTrue(Option.isNone(yield* authenticate(secret)), secret.slice(0, 120))
      assert.isTrue(Option.isSome(yield* authenticate(one)))
    })
  )

  it.effect("gives no key more than the key that makes it has, and no tenant the system's scope", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeys
      const grantor = { scopes: new Set(["events:write", "platform:admin"]) }
      yield* keys
        .create({ name: "narrow", scopes: ["events:read", "platform:read"] }, grantor)
        .pipe(provide(acme))
      const error = yield* Effect.flip(
        keys
          .create({ name: "wide", scopes: ["events:admin", "events:read", "search:read"] }, grantor)
          .pipe(provide(acme))
      )
      assert.deepInclude(error, { _tag: "ScopeTooWide", scopes: ["events:admin", "search:read"] })
      const system = yield* Effect.flip(
        keys.create({ name: "root", scopes: ["system:admin"] }, "operator").pipe(provide(acme))
      )
      assert.strictEqual(system._tag, "ScopeTooWide")
    })
  )

  it.effect("ends a revoked key in another process too, within the promised time", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeys
      const { options } = yield* TestDatabase.TestDatabase
      const issued = yield* keys
        .create({ name: "four", scopes: ["events:write"] }, "operator")
        .pipe(provide(acme))
      // Another process: its own pool and its own memory of keys.
      const elsewhere = KeyCredentials.layer.pipe(Layer.provide(Database.layer(options, "hm-test-elsewhere")))
      yield* Effect.gen(function* () {
        assert.isTrue(Option.isSome(yield* authenticate(issued.secret)))
        yield* keys.revoke(issued.apiKey.apiKeyId, 1, "leaked").pipe(provide(acme))
        yield* untilRefused(issued.secret)
      }).pipe(Effect.provide(Layer.fresh(elsewhere)))
    })
  )

  it.effect("knows of a credential the environment, the tenant's plan and the resource of a client key", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeys
      const issued = yield* keys
        .create(
          {
            name: "browser",
            kind: "client",
            environment: "test",
            resource: { kind: "index", id: "spare:parts" },
            scopes: ["search:read"]
          },
          "operator"
        )
        .pipe(provide(acme))
      const next = yield* keys.rotate(issued.apiKey.apiKeyId, 1, {}, "operator").pipe(provide(acme))
      for (const { secret } of [issued, next]) {
        const credential = Option.getOrThrow(yield* authenticate(secret))
        assert.strictEqual(credential.kind, "client")
        assert.strictEqual(credential.environment, "test")
        assert.deepStrictEqual(credential.plan, Option.some("standard"))
        assert.deepStrictEqual(Option.getOrThrow(credential.resource), { kind: "index", id: "spare:parts" })
      }
      const system = yield* keys.createSystem("root").pipe(provideSystem)
      assert.deepInclude(Option.getOrThrow(yield* authenticate(system.secret)), {
        environment: "live",
        plan: Option.none(),
        resource: Option.none()
      })
    })
  )

  it.effect("trusts a key that it read while the database hangs, for a caller that asks for it", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeys
      const sql = yield* SqlClient.SqlClient
      const credentials = yield* Credentials
      const make = keys.create({ name: "away", scopes: ["events:write"] }, "operator").pipe(provide(acme))
      const [read, revoked, neverRead] = [yield* make, yield* make, yield* make]
      const whileAway = (issued: { readonly secret: string | null }) =>
        credentials.authenticate(Redacted.make(issued.secret ?? ""), { whileAway: "15 minutes" })
      yield* keys.revoke(revoked.apiKey.apiKeyId, 1, "leaked").pipe(provide(acme))
      assert.isTrue(Option.isSome(yield* whileAway(read)))
      assert.isTrue(Option.isNone(yield* whileAway(revoked)))
      const locked = yield* Deferred.make<void>()
      // Readers wait behind the lock, as behind a server that does not answer.
      const hanging = yield* sql`LOCK TABLE hm_api_key IN ACCESS EXCLUSIVE MODE`.pipe(
        Effect.andThen(Deferred.succeed(locked, undefined)),
        Effect.andThen(Effect.never),
        sql.withTransaction,
        Effect.forkChild
      )
      yield* Deferred.await(locked)
      yield* authenticate(read.secret).pipe(
        Effect.repeat({ until: () => false, schedule: Schedule.spaced("100 millis") }),
        Effect.flip
      )
      assert.isTrue(Option.isSome(yield* whileAway(read)))
      assert.strictEqual((yield* Effect.flip(whileAway(revoked)))._tag, "SqlError")
      assert.strictEqual((yield* Effect.flip(whileAway(neverRead)))._tag, "SqlError")
      yield* Fiber.interrupt(hanging)
      yield* keys.revoke(read.apiKey.apiKeyId, 1, "leaked").pipe(provide(acme))
      yield* whileAway(read).pipe(
        Effect.repeat({ until: Option.isNone, schedule: Schedule.spaced("50 millis") })
      )
    })
  )

  it.effect("ends an expired key at its time, also while it is remembered", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeys
      const test = yield* Now.TestNow
      const issued = yield* keys
        .create({ name: "five", scopes: ["events:write"] }, "operator")
        .pipe(provide(acme))
      const next = yield* keys
        .rotate(issued.apiKey.apiKeyId, 1, { overlapSeconds: 3600 }, "operator")
        .pipe(provide(acme))
      assert.isTrue(Option.isSome(yield* authenticate(issued.secret)))
      assert.isTrue(Option.isSome(yield* authenticate(next.secret)))
      yield* test.adjust("61 minutes")
      yield* untilRefused(issued.secret)
      assert.isTrue(Option.isSome(yield* authenticate(next.secret)))
      const again = yield* Effect.flip(
        keys.rotate(issued.apiKey.apiKeyId, 2, {}, "operator").pipe(provide(acme))
      )
      assert.strictEqual(again._tag, "ApiKeyInactive")
    })
  )

  it.effect("refuses a stale version, and changes nothing", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeys
      const issued = yield* keys
        .create({ name: "six", scopes: ["events:write"] }, "operator")
        .pipe(provide(acme))
      const error = yield* Effect.flip(keys.revoke(issued.apiKey.apiKeyId, 7, "guess").pipe(provide(acme)))
      assert.deepInclude(error, { _tag: "VersionStale", currentVersion: 1 })
      assert.isNull((yield* keys.get(issued.apiKey.apiKeyId).pipe(provide(acme))).revokedAt)
    })
  )

  it.effect("pages a tenant's own keys, newest first, without a gap or a repeat", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeys
      yield* Effect.forEach(
        Array.from({ length: 7 }, (_, n) => n),
        (n) => keys.create({ name: `g${n}`, scopes: ["events:read"] }, "operator")
      ).pipe(provide(globex))
      const seen: Array<string> = []
      let cursor: string | null = ""
      while (cursor !== null) {
        const request: { limit: number; cursor?: string } =
          cursor === "" ? { limit: 3 } : { limit: 3, cursor }
        const page = yield* keys.list(request).pipe(provide(globex))
        seen.push(...page.items.map((key) => key.name))
        cursor = page.nextCursor
      }
      assert.deepStrictEqual(seen, ["g6", "g5", "g4", "g3", "g2", "g1", "g0"])
    })
  )

  it.effect("writes when a key was last used", () =>
    Effect.gen(function* () {
      const keys = yield* ApiKeys
      const issued = yield* keys
        .create({ name: "seven", scopes: ["events:write"] }, "operator")
        .pipe(provide(acme))
      const { options } = yield* TestDatabase.TestDatabase
      const elsewhere = KeyCredentials.layer.pipe(Layer.provide(Database.layer(options, "hm-test-uses")))
      yield* authenticate(issued.secret).pipe(Effect.provide(Layer.fresh(elsewhere)))
      assert.isNotNull((yield* keys.get(issued.apiKey.apiKeyId).pipe(provide(acme))).lastUsedAt)
    })
  )
})
