import { assert, layer } from "@effect/vitest"
import * as Domain from "@hypermarket/core/Domain"
import * as FraudSignal from "@hypermarket/risk/FraudSignal"
import { Risk } from "@hypermarket/risk/Risk"
import * as RiskDomain from "@hypermarket/risk/RiskDomain"
import * as SubjectData from "@hypermarket/core/SubjectData"
import * as Audit from "@hypermarket/core/Audit"
import { AllTenants, provide, system, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { domains, migrationSets } from "@hypermarket/installation/domains"
import { SubjectRequests } from "@hypermarket/platform/SubjectRequests"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Context, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { randomBytes, randomUUID } from "node:crypto"
import { zstdCompressSync, zstdDecompressSync } from "node:zlib"

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

/** Writes a row. Columns that it does not name and that must have a value get one of their type. */
const plantFor = (owner: TenantId) =>
  Effect.fnUntraced(function* (table: string, row: Readonly<Record<string, unknown>>) {
    const sql = yield* SqlClient.SqlClient
    const columns = yield* sql<{ readonly name: string; readonly type: string; readonly isNeeded: boolean }>`
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
           a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS "isNeeded"
      FROM pg_attribute AS a
     WHERE a.attrelid = to_regclass(${table}) AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY a.attnum
  `
    const fillers: Readonly<Record<string, unknown>> = {
      text: "x",
      uuid: randomUUID(),
      json: "{}",
      jsonb: "{}",
      boolean: false,
      date: "2026-03-01",
      bytea: Buffer.alloc(32),
      "timestamp with time zone": "2026-03-01T00:00:00Z"
    }
    const values = columns.flatMap(({ isNeeded, name, type }) => {
      if (Object.hasOwn(row, name)) return [{ name, type, value: row[name] }]
      if (name === "tenant_id") return [{ name, type, value: owner }]
      return isNeeded ? [{ name, type, value: fillers[type] ?? (type.endsWith("[]") ? "{}" : 1) }] : []
    })
    yield* sql.unsafe(
      `INSERT INTO ${table} (${values.map(({ name }) => name).join(", ")})
     VALUES (${values.map(({ type, value }, place) => (value instanceof Uint8Array ? `$${place + 1}` : `$${place + 1}::text::${type}`)).join(", ")})`,
      values.map(({ value }) => (value instanceof Uint8Array ? value : String(value)))
    )
  })

const decodeSignal = Schema.decodeUnknownEffect(FraudSignal.NewSignal)

/** A person in each table that may hold one, through the services where a hash is in the way. */
const plantPerson = Effect.fnUntraced(function* (id: string, email: string, owner: TenantId = acme) {
  const risk = yield* Risk
  const plant = plantFor(owner)
  const text = JSON.stringify({ customerId: id, contact: { email } })
  const job = { queue: "mails", payload: text, errors: JSON.stringify([{ error: `no mailbox ${email}` }]) }
  const execution = `welcome-${randomUUID()}`
  const message = randomUUID()
  const notification = randomUUID()
  const endpoint = randomUUID()
  const finished = { state: "succeeded", finished_at: "2026-03-02T00:00:00Z", woken: 0 }
  yield* plant("hm_idempotency_key", { idempotency_key: randomUUID(), answer: text })
  yield* plant("hm_event_dead", { ...job, ordering_key: id })
  yield* plant("hm_event_delayed", job)
  yield* plant("hm_event_queue", job)
  yield* plant("hm_event_keyed", { ...job, ordering_key: "o-1" })
  yield* plant("hm_event_body", { body_seq: Math.floor(Math.random() * 1e9), payload: text })
  yield* plant("hm_event_dedupe", { event_id: `customer.changed/${id}/1` })
  yield* plant("hm_event_job_dedupe", { dedupe_key: `mail:${email}` })
  yield* plant("hm_job_scheduler", {
    payload: text,
    queue: "mails",
    name: `s-${randomUUID()}`,
    overlap: "skip",
    catch_up: "one"
  })
  yield* plant("hm_webhook_endpoint", {
    endpoint_id: endpoint,
    status: "enabled",
    last_error: `refused ${email}`
  })
  yield* plant("hm_webhook_message", { message_id: message, body: text, subject: id, event_id: `${id}:1` })
  yield* plant("hm_webhook_delivery", {
    message_id: message,
    endpoint_id: endpoint,
    subject: id,
    state: "delivered",
    finished_at: "2026-03-02T00:00:00Z"
  })
  yield* plant("hm_webhook_attempt", { answer: Buffer.from(`Thank you, ${email}.`), error: email })
  yield* plant("hm_workflow_execution", {
    ...finished,
    execution_id: execution,
    payload: text,
    result: text,
    error: email
  })
  yield* plant("hm_workflow_execution", {
    ...finished,
    execution_id: `onboard-${randomUUID()}`,
    payload: text
  })
  yield* plant("hm_workflow_execution", { ...finished, execution_id: `${id}/onboard` })
  yield* plant("hm_workflow_task", {
    execution_id: execution,
    kind: "activity",
    result: text,
    outcome: "succeeded",
    finished_at: "2026-03-02T00:00:00Z"
  })
  yield* plant("hm_order_line", {
    order_id: `o-${randomUUID()}`,
    customer_id: id,
    currency: "EUR",
    gross: 500
  })
  yield* plant("hm_order_credit", { credit_id: randomUUID(), customer_id: id, currency: "EUR" })
  yield* plant("hm_user_behavior_signal", { kind: "view", user_key: id })
  yield* plant("hm_user_behavior_signal_key", { key: `visit/${id}/1` })
  yield* plant("hm_browse_history", { user_key: id })
  yield* plant("hm_search_user_allowance", { user_key: id })
  yield* plant("hm_search_query", { query: `order of ${email}` })
  yield* plant("hm_quota_ledger", { subject: id, kind: "record", amount: 7 })
  yield* plant("hm_tenant_quota", { subject: id, used: 7 })
  yield* plant("hm_quota_key", { key: randomUUID(), request: text })
  yield* plant("hm_experiment_unit", { unit_kind: "customer", unit: id })
  yield* plant("hm_experiment_fact", { unit_kind: "customer", unit: id, fact_id: randomUUID() })
  yield* plant("hm_notification_profile", {
    recipient_kind: "customer",
    recipient_id: id,
    email,
    name: "Ann"
  })
  yield* plant("hm_user_preference", { recipient_kind: "customer", recipient_id: id, channel: "email" })
  yield* plant("hm_notification_queue", {
    notification_id: notification,
    recipient_kind: "customer",
    recipient_id: id,
    channel: "email",
    state: "caught",
    history: "[]"
  })
  yield* plant("hm_notification_caught", {
    notification_id: notification,
    address: email,
    message: Buffer.from("Dear Ann")
  })
  yield* plant("hm_notification_trigger", {
    key: `welcome/${id}`,
    audience_kind: "recipient",
    recipient_kind: "customer",
    recipient_id: id,
    state: "expanded",
    payload: text
  })
  yield* plant("hm_error_log", {
    title: "Cart",
    user_key: null,
    level: "error",
    payload: zstdCompressSync(Buffer.from(JSON.stringify({ message: `no cart for ${email}` })))
  })
  yield* plant("hm_error_item", {
    kind: "feedback",
    payload: zstdCompressSync(Buffer.from(JSON.stringify({ contact: email })))
  })
  yield* plant("hm_error_issue", {
    kind: "message",
    title: `No cart for ${email}`,
    level: "error",
    status: "unresolved"
  })
  yield* risk
    .record([
      yield* decodeSignal({
        kind: "payment",
        subject: `p-${randomUUID()}`,
        key: randomUUID(),
        source: "/shop",
        entities: { account: id, email }
      })
    ])
    .pipe(provide(owner))
})

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
        yield* plantPerson("c-4217", "ann.lee@example.com")
        yield* plantPerson("c-42170", "joann.lee@example.com")
        const before = naming(yield* dump, "c-42170", "joann.lee")
        const planted = new Set(
          naming(yield* dump, "ann.lee@", "c-4217")
            .filter((line) => !before.includes(line))
            .map((line) => line.split(" ")[0])
        )
        assert.isAbove(planted.size, 30)

        const exported = yield* requests
          .create({ kind: "export", subject: { kind: "customer", id: "c-4217" } })
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
        assert.deepStrictEqual(naming(lines, "c-42170", "joann"), [])

        const erasure = yield* requests
          .create({ kind: "erasure", subject: { kind: "customer", id: "c-4217" } })
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
          naming(after, "ann.lee@", "c-4217").filter(
            (line) => naming([line], "c-42170", "joann.lee").length === 0
          ),
          []
        )
        const others = naming(after, "c-42170", "joann.lee")
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
        // Entities are hashes, which no dump shows: of two signals the other person's is left.
        assert.deepStrictEqual(amounts, { gross: "1000", used: "14", signals: 1 })
        const again = yield* requests
          .create({ kind: "erasure", subject: { kind: "customer", id: "c-4217" } })
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
      yield* plantPerson("c-900", "peter@initech.example", initech)
      yield* plantPerson("c-901", "ann@globex.example", TenantId.make("globex"))
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
      assert.deepStrictEqual(naming(after, "initech", "c-900"), [], "the receipt names no tenant either")
      assert.deepStrictEqual(after.filter(isOf("globex")), before.filter(isOf("globex")))
      const again = yield* requests.createForTenant(initech).pipe(asOperator, Effect.flip)
      assert.strictEqual(again._tag, "TenantNotFound")
    })
  )
})
