import { assert, layer } from "@effect/vitest"
import * as Domain from "@hypermarket/core/Domain"
import * as RiskDomain from "@hypermarket/risk/RiskDomain"
import * as SubjectData from "@hypermarket/core/SubjectData"
import * as Audit from "@hypermarket/core/Audit"
import { AllTenants, provide, system, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { domains, migrationSets } from "@hypermarket/installation/domains"
import { SubjectRequests } from "@hypermarket/platform/SubjectRequests"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { randomBytes, randomUUID } from "node:crypto"
import { zstdDecompressSync } from "node:zlib"
import { plantFor, plantPerson } from "./subjectRows.ts"
import { hashedTables, holdingNobody, inFlight } from "./subjectTables.ts"

const acme = TenantId.make("acme")

interface Listed {
  readonly name: string
  readonly tables: ReadonlyArray<string>
  readonly subjectTables: ReadonlyArray<string> | undefined
}

/** The tables of a domain that its `subjectData` does not name, and those that no domain owns. */
const uncovered = (listed: ReadonlyArray<Listed>, tables: ReadonlyArray<string>): ReadonlyArray<string> =>
  tables.flatMap((table) => {
    const owner = listed
      .flatMap((domain) => domain.tables.map((prefix) => ({ domain, prefix })))
      .filter(({ prefix }) => table.startsWith(prefix))
      .toSorted((a, b) => b.prefix.length - a.prefix.length)[0]?.domain
    if (owner?.subjectTables?.includes(table) === true) return []
    return [`${table}: the subjectData of ${owner?.name ?? "no domain"} does not name it`]
  })

const tablesOfAll = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly name: string }>`
    SELECT c.relname AS name
      FROM pg_class AS c
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname LIKE 'hm\_%'
       AND c.relname NOT LIKE '%\_migrations' AND c.relnamespace = current_schema()::regnamespace
     ORDER BY c.relname
  `
  return rows.map(({ name }) => name)
})

/** Every row of every table as text, with bytes as the text that they hold. */
const dump = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const lines: Array<string> = []
  for (const table of yield* tablesOfAll) {
    for (const row of yield* sql<Record<string, unknown>>`SELECT * FROM ${sql(table)}`) {
      const members = Object.entries(row).map(([name, value]) => {
        if (!(value instanceof Uint8Array)) return [name, value]
        const bytes = table.startsWith("hm_error_") && name === "payload" ? zstdDecompressSync(value) : value
        return [name, Buffer.from(bytes).toString("latin1")]
      })
      lines.push(
        `${table} ${JSON.stringify(Object.fromEntries(members), (_, value: unknown) =>
          typeof value === "bigint" ? String(value) : value
        )}`
      )
    }
  }
  return lines
})

const started = Layer.effectContext(
  Effect.map(Domain.start(domains), (list) =>
    list.reduce<Context.Context<never>>(
      (context, domain) => Context.merge(context, domain.context),
      Context.empty()
    )
  )
)

const secrets = ConfigProvider.layer(
  ConfigProvider.fromUnknown({ HM_SECRETS_KEYS: `k1:${randomBytes(32).toString("base64")}` })
)

/** The services of all domains, with keys for secrets. */
const services = Layer.mergeAll(started, SubjectRequests.layer, RiskDomain.layer).pipe(Layer.provide(secrets))

const layerAll = services.pipe(
  Layer.provideMerge(Wakeup.layerSilent),
  Layer.provideMerge(TestDatabase.layer(...migrationSets))
)

const asOperator = Effect.provideService(AllTenants, { actor: "test" })

/** Everything in a dump that names a person. */
const naming = (lines: ReadonlyArray<string>, ...names: ReadonlyArray<string>) =>
  lines.filter((line) => names.some((name) => line.toLowerCase().includes(name)))

layer(layerAll, { excludeTestServices: true })("the data of persons in all domains", (it) => {
  it.effect("is covered: each table of each domain is named by its subjectData", () =>
    Effect.gen(function* () {
      const tables = yield* tablesOfAll
      assert.isAbove(tables.length, 100)
      assert.deepStrictEqual(uncovered(domains, tables), [])
    })
  )

  it.effect("is missed of a domain that brings none, and in a table that is new", () =>
    Effect.sync(() => {
      const fan = { name: "fans", tables: ["hm_fan_"] }
      const message = "hm_fan_letter: the subjectData of fans does not name it"
      assert.deepStrictEqual(uncovered([{ ...fan, subjectTables: undefined }], ["hm_fan_letter"]), [message])
      assert.deepStrictEqual(uncovered([{ ...fan, subjectTables: ["hm_fan_club"] }], ["hm_fan_letter"]), [
        message
      ])
    })
  )

  it.effect(
    "is exported and then erased from every table, step by step, while another person and all amounts stay",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const requests = yield* SubjectRequests
        yield* plantFor(acme)("hm_tenant", { name: "Acme", plan: "standard", status: "active" })
        yield* plantFor(acme)("hm_api_key", {
          name: "first",
          kind: "server",
          scopes: "{platform:read}",
          secret_hash: randomBytes(32),
          environment: "live",
          revoked_at: "2026-03-01T00:00:00Z",
          revoked_reason: "lost by ann.lee@example.com"
        })
        yield* plantPerson("buyer-4217", "ann.lee@example.com")
        yield* plantPerson("buyer-42170", "joann.lee@example.com")
        const before = naming(yield* dump, "buyer-42170", "joann.lee")
        const planted = new Set(
          naming(yield* dump, "ann.lee@", "buyer-4217")
            .filter((line) => !before.includes(line))
            .map((line) => line.split(" ")[0])
        )
        const hashedOf = Effect.forEach(hashedTables, (table) =>
          Effect.map(
            sql<{ readonly rows: number }>`
              SELECT count(*)::int AS rows
                FROM ${sql(table)}
               WHERE tenant_id = ${acme}
            `,
            ([counted]) => counted?.rows ?? 0
          )
        )
        const hashed = yield* hashedOf
        const made = ["hm_platform_subject_request", "hm_platform_subject_part"]
        const covered = new Set([...planted, ...hashedTables, ...holdingNobody, ...inFlight, ...made])
        assert.deepStrictEqual(
          (yield* tablesOfAll).filter((table) => !covered.has(table)),
          [],
          "plant a person in the table, or list it as holding nobody"
        )

        const exported = yield* requests
          .create({ kind: "export", subject: { kind: "customer", id: "buyer-4217" } })
          .pipe(provide(acme))
        const done = yield* requests.finish(acme, exported.requestId).pipe(asOperator)
        const parts = yield* Effect.forEach(
          Array.from({ length: done.parts }, (_, place) => place + 1),
          (part) => requests.part(exported.requestId, part)
        ).pipe(provide(acme))
        const lines = parts.flatMap((part) => part.split("\n"))
        assert.strictEqual(done.rows, lines.length)
        const tables = new Set(lines.map((line) => String(JSON.parse(line).table)))
        // The receipt of the export is no data of the person.
        assert.deepStrictEqual(
          Array.from(planted).filter((table) => table !== undefined && !tables.has(table)),
          []
        )
        assert.deepStrictEqual(naming(lines, "buyer-42170", "joann"), [])

        const erasure = yield* requests
          .create({ kind: "erasure", subject: { kind: "customer", id: "buyer-4217" } })
          .pipe(provide(acme))
        // The worker's round and the command take turns on one request.
        yield* requests.runDue.pipe(asOperator)
        const receipt = yield* requests.finish(acme, erasure.requestId).pipe(asOperator)
        assert.strictEqual(receipt.state, "done")
        assert.includeMembers(
          receipt.kept.map(({ table }) => table),
          ["hm_order_line", "hm_quota_ledger", "hm_event_dead"]
        )
        const after = yield* dump
        assert.deepStrictEqual(
          naming(after, "ann.lee@", "buyer-4217").filter(
            (line) => naming([line], "buyer-42170", "joann.lee").length === 0
          ),
          []
        )
        const others = naming(after, "buyer-42170", "joann.lee")
        assert.deepStrictEqual(others.toSorted(), before.toSorted())
        const [amounts] = yield* sql<{
          readonly gross: string
          readonly used: string
          readonly signals: number
        }>`
          SELECT (SELECT sum(gross)::text FROM hm_order_line WHERE tenant_id = ${acme}) AS gross,
                 (SELECT sum(amount)::text FROM hm_quota_ledger WHERE tenant_id = ${acme}) AS used,
                 (SELECT count(*)::int FROM hm_fraud_signal WHERE tenant_id = ${acme}) AS signals
        `
        // Entities are hashes, which no dump shows: the other person's signals are left.
        assert.deepStrictEqual(amounts, { gross: "1000", used: "14", signals: 2 })
        assert.deepStrictEqual(
          yield* hashedOf,
          hashed.map((rows) => rows / 2)
        )
        const again = yield* requests
          .create({ kind: "erasure", subject: { kind: "customer", id: "buyer-4217" } })
          .pipe(provide(acme))
        assert.strictEqual((yield* requests.finish(acme, again.requestId).pipe(asOperator)).rows, 0)
        assert.isAbove((yield* SubjectData.Sources).length, 9)
      })
  )

  it.effect("of a suspended tenant is erased as a whole, and nothing of another tenant", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const requests = yield* SubjectRequests
      const initech = TenantId.make("initech")
      yield* plantFor(initech)("hm_tenant", { name: "Initech", plan: "standard", status: "active" })
      yield* plantFor(initech)("hm_api_key", {
        api_key_id: randomUUID(),
        name: "first",
        kind: "server",
        scopes: "{platform:read}",
        secret_hash: randomBytes(32),
        environment: "live"
      })
      yield* plantPerson("buyer-900", "peter@initech.example", initech)
      yield* plantPerson("buyer-901", "ann@globex.example", TenantId.make("globex"))
      yield* sql
        .withTransaction(
          Audit.record({ action: "listing.published", target: { type: "listing", id: "l-1" } })
        )
        .pipe(provide(initech))
      const active = yield* requests.createForTenant(initech).pipe(asOperator, Effect.flip)
      assert.strictEqual(active._tag, "TenantNotSuspended")
      yield* sql`
        UPDATE hm_tenant
           SET status = 'suspended', status_reason = 'closed'
         WHERE tenant_id = 'initech'
      `
      const isOf = (owner: string) => (line: string) => line.includes(`"tenant_id":"${owner}"`)
      const before = yield* dump
      const planted = new Set(before.filter(isOf("initech")).map((line) => line.split(" ")[0]))
      assert.isAbove(planted.size, 35)

      const { requestId } = yield* requests.createForTenant(initech).pipe(asOperator)
      const receipt = yield* requests.finish(system, requestId).pipe(asOperator)
      assert.deepInclude(receipt, { state: "done", kind: "tenant-erasure" })
      assert.isAtLeast(receipt.rows, planted.size)

      const after = yield* dump
      assert.deepStrictEqual(after.filter(isOf("initech")), [])
      assert.deepStrictEqual(naming(after, "initech", "buyer-900"), [], "the receipt names no tenant either")
      assert.deepStrictEqual(after.filter(isOf("globex")), before.filter(isOf("globex")))
      const again = yield* requests.createForTenant(initech).pipe(asOperator, Effect.flip)
      assert.strictEqual(again._tag, "TenantNotFound")
    })
  )
})
