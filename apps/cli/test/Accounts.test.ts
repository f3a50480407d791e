import { assert, layer } from "@effect/vitest"
import { Credentials } from "@hypermarket/core/Credentials"
import * as Database from "@hypermarket/core/Database"
import { migrationSets } from "@hypermarket/installation/domains"
import { ConsoleSessions } from "@hypermarket/platform/ConsoleSessions"
import * as KeyCredentials from "@hypermarket/platform/KeyCredentials"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Option, Redacted, Schema } from "effect"
import * as Cli from "./Cli.ts"

const command = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const { url } = yield* TestDatabase.TestDatabase
  return yield* Cli.run(args, { DATABASE_URL: url })
})

/** Runs a command that must succeed, and gives what it printed. */
const done = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const finished = yield* command(...args)
  assert.strictEqual(finished.code, 0, finished.stderr)
  return finished
})

/** Runs a command that must fail with 1, and gives what it complained of. */
const refused = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const finished = yield* command(...args)
  assert.strictEqual(finished.code, 1, finished.stdout)
  return finished.stderr
})

const Issued = Schema.Struct({
  apiKeyId: Schema.String,
  secret: Schema.String,
  scopes: Schema.Array(Schema.String)
})

const Item = Schema.Record(Schema.String, Schema.Json)
const Items = Schema.Struct({ items: Schema.Array(Item) })

const items = (...args: ReadonlyArray<string>) =>
  Effect.map(Effect.flatMap(done(...args, "--json"), Cli.decode(Items)), (document) => document.items)

/** Asks as a process does that has seen no key yet. */
const opens = Effect.fnUntraced(function* (secret: string) {
  const { options } = yield* TestDatabase.TestDatabase
  const fresh = KeyCredentials.layer.pipe(Layer.provide(Database.layer(options, "hm-test-opens")))
  const found = yield* Effect.flatMap(Credentials, ({ authenticate }) =>
    authenticate(Redacted.make(secret))
  ).pipe(Effect.provide(Layer.fresh(fresh)))
  return Option.isSome(found)
})

layer(TestDatabase.layerDatabase(...migrationSets), { excludeTestServices: true })("tenants", (it) => {
  it.effect("makes a tenant, lists it, suspends it with a reason and activates it again", () =>
    Effect.gen(function* () {
      assert.include(
        (yield* done("tenants", "create", "acme", "--name", "Acme GmbH", "--plan", "gold")).stdout,
        "Created acme (Acme GmbH, plan gold)"
      )
      assert.match((yield* done("tenants", "list")).stdout, /^acme +active +gold +- +Acme GmbH$/m)
      yield* done("tenants", "suspend", "acme", "--reason", "unpaid")
      assert.deepInclude((yield* items("tenants", "list"))[0], {
        tenantId: "acme",
        status: "suspended",
        statusReason: "unpaid"
      })
      yield* done("tenants", "activate", "acme")
      assert.deepInclude((yield* items("tenants", "list"))[0], { status: "active", statusReason: null })
    })
  )

  it.effect("says what is wrong with a tenant that exists already or does not exist", () =>
    Effect.gen(function* () {
      yield* done("tenants", "create", "globex")
      assert.include(yield* refused("tenants", "create", "globex"), "The tenant globex exists already")
      assert.include(
        yield* refused("tenants", "suspend", "nobody", "--reason", "x"),
        "There is no tenant nobody"
      )
      assert.include(yield* refused("tenants", "activate", "nobody"), "There is no tenant nobody")
      assert.include(yield* refused("keys", "list", "nobody"), "hypermarket tenants create nobody")
    })
  )

  it.effect("reads every page of a long listing", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.TestDatabase
      yield* Cli.query(
        url,
        `INSERT INTO hm_tenant (tenant_id, name, plan, status, recorded_at, updated_at)
         SELECT 'z' || n, 'Z', 'standard', 'active', now(), now() FROM generate_series(1, 450) n`
      )
      const listed = yield* items("tenants", "list")
      assert.lengthOf(
        listed.filter(({ name }) => name === "Z"),
        450
      )
    })
  )
})

layer(TestDatabase.layerDatabase(...migrationSets), { excludeTestServices: true })("keys", (it) => {
  it.effect("makes a key that works, lists it without its secret, and revokes it", () =>
    Effect.gen(function* () {
      yield* done("tenants", "create", "acme")
      const made = yield* done(
        "keys",
        "create",
        "acme",
        "--scope",
        "events:read",
        "--scope",
        "platform:admin",
        "--json"
      )
      const issued = yield* Cli.decode(Issued)(made)
      assert.deepStrictEqual(issued.scopes, ["events:read", "platform:admin"])
      assert.isTrue(yield* opens(issued.secret))
      const listed = yield* done("keys", "list", "acme")
      assert.match(
        listed.stdout,
        new RegExp(`^${issued.apiKeyId} +server +active +events:read,platform:admin +made by the CLI$`, "m")
      )
      const json = yield* done("keys", "list", "acme", "--json")
      for (const { stdout } of [listed, json]) assert.notInclude(stdout, issued.secret.slice(-43))
      // Who has found a leaked key has its text, and not its id.
      yield* done("keys", "revoke", "acme", issued.secret, "--reason", "leaked")
      assert.isFalse(yield* opens(issued.secret))
      assert.deepInclude((yield* items("keys", "list", "acme"))[0], { revokedReason: "leaked" })
      assert.include(yield* refused("keys", "rotate", "acme", issued.apiKeyId), "revoked or expired already")
    })
  )

  it.effect("rotates to a successor with the same scopes, and ends the old key after the overlap", () =>
    Effect.gen(function* () {
      yield* done("tenants", "create", "globex")
      const create = done("keys", "create", "globex", "--scope", "events:write", "--json")
      const old = yield* Effect.flatMap(create, Cli.decode(Issued))
      const next = yield* Effect.flatMap(
        done("keys", "rotate", "globex", old.apiKeyId, "--json"),
        Cli.decode(Issued)
      )
      assert.deepStrictEqual(next.scopes, old.scopes)
      assert.isTrue(yield* opens(old.secret))
      assert.isTrue(yield* opens(next.secret))
      assert.match(
        (yield* done("keys", "list", "globex")).stdout,
        new RegExp(`^${old.apiKeyId} +server +until 20`, "m")
      )
      yield* done("keys", "rotate", "globex", next.apiKeyId, "--overlap-seconds", "0")
      assert.isFalse(yield* opens(next.secret))
    })
  )

  it.effect("shows the secret once to people too, on a line of its own", () =>
    Effect.gen(function* () {
      yield* done("tenants", "create", "initech")
      const { stdout } = yield* done("keys", "create", "initech", "--scope", "events:write")
      const [secret = ""] = /^ {2}(hm_\w+)$/m.exec(stdout)?.slice(1) ?? []
      assert.isTrue(yield* opens(secret))
    })
  )

  it.effect("does not touch another tenant's key", () =>
    Effect.gen(function* () {
      yield* done("tenants", "create", "owner")
      yield* done("tenants", "create", "stranger")
      const create = done("keys", "create", "owner", "--scope", "events:read", "--json")
      const { apiKeyId, secret } = yield* Effect.flatMap(create, Cli.decode(Issued))
      for (const verb of ["revoke", "rotate"]) {
        assert.include(yield* refused("keys", verb, "stranger", apiKeyId), "The tenant has no key")
      }
      assert.isTrue(yield* opens(secret))
    })
  )

  it.effect("makes the tenant-less credential with --system only", () =>
    Effect.gen(function* () {
      const made = yield* done("keys", "create", "--system", "--json")
      const issued = yield* Cli.decode(Issued)(made)
      assert.deepStrictEqual(issued.scopes, ["system:admin"])
      assert.isTrue(yield* opens(issued.secret))
      yield* done("tenants", "create", "hooli")
      assert.include(
        yield* refused("keys", "create", "hooli", "--scope", "system:admin"),
        "belong to the tenant-less credential"
      )
    })
  )

  it.effect(
    "prints a link that opens the console once, with the read scopes of every domain and those given",
    () =>
      Effect.gen(function* () {
        const { options, url } = yield* TestDatabase.TestDatabase
        yield* Cli.query(
          url,
          `INSERT INTO hm_tenant (tenant_id, name, plan, status, recorded_at, updated_at)
           SELECT 'linked' || n, 'L', 'standard', 'active', now(), now() FROM generate_series(1, 2) n`
        )
        const ambiguous = yield* command("console")
        assert.strictEqual(ambiguous.code, 2, ambiguous.stderr)
        assert.include(ambiguous.stderr, "Give --tenant, one of ")
        const { stdout } = yield* Cli.run(["console", "--tenant", "linked1", "--scope", "events:write"], {
          DATABASE_URL: url,
          HM_CONSOLE_PUBLIC_URL: "https://tools.example/hm/"
        })
        const [, code = ""] =
          /^https:\/\/tools\.example\/hm\/console\/#tenant=linked1&code=([\w-]{43})$/m.exec(stdout) ?? []
        const sessions = ConsoleSessions.layer.pipe(Layer.provide(Database.layer(options, "hm-test-redeems")))
        const [first, second] = yield* Effect.flatMap(ConsoleSessions, ({ redeemCode }) =>
          Effect.all([redeemCode(Redacted.make(code)), redeemCode(Redacted.make(code))])
        ).pipe(Effect.provide(sessions))
        assert.isTrue(Option.isSome(first))
        assert.isTrue(Option.isNone(second))
        const [key] = yield* Cli.query(
          url,
          "SELECT api_key_id::text AS id, name, scopes, expires_at FROM hm_api_key WHERE tenant_id = 'linked1'"
        )
        assert.strictEqual(key?.id, Option.getOrUndefined(first))
        assert.match(String(key?.name), /^console-\d{4}-\d\d-\d\d-/)
        assert.isNotNull(key?.expires_at)
        const scopes = ["analytics:read", "flags:read", "search:read", "events:write"]
        assert.includeMembers(Array.isArray(key?.scopes) ? key.scopes : [], scopes)
      })
  )
})
