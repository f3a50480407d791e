/** A person in each table that may hold one. */
import * as Actor from "@hypermarket/core/Actor"
import * as Audit from "@hypermarket/core/Audit"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as FraudSignal from "@hypermarket/risk/FraudSignal"
import { Risk } from "@hypermarket/risk/Risk"
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { createHash, randomBytes, randomUUID } from "node:crypto"
import { zstdCompressSync } from "node:zlib"

const acme = TenantId.make("acme")

/** Writes a row. Columns that it does not name and that must have a value get one of their type. */
export const plantFor = (owner: TenantId) =>
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
      "json[]": "{}",
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

/** Plants texts of operators about a person: flags, segments, requests for changes, policies, and entries of the activity log. */
const plantChanges = Effect.fnUntraced(function* (id: string, email: string, owner: TenantId) {
  const sql = yield* SqlClient.SqlClient
  const plant = plantFor(owner)
  const feature = randomUUID()
  const condition = JSON.stringify({ attribute: "email", operator: "in", values: [email, id] })
  const person = JSON.stringify({ type: "user", id: email })
  yield* plant("hm_platform_feature", {
    feature_id: feature,
    flag_key: `flag-${feature}`,
    kind: "boolean",
    hashing: "murmur3",
    status: "archived",
    archived_reason: `${email} asked for it`,
    owner: email
  })
  yield* plant("hm_platform_feature_environment", { feature_id: feature, definition: condition })
  yield* plant("hm_platform_feature_version", { feature_id: feature, definition: condition, actor: person })
  yield* plant("hm_platform_flag_request", {
    request_id: randomUUID(),
    feature_id: feature,
    status: "closed",
    steps: JSON.stringify([{ does: { rules: [JSON.parse(condition)] } }]),
    description: `For ${email}`,
    reason: `${email} was wrong`,
    author: person,
    approver: person
  })
  yield* plant("hm_platform_flag_segment", { segment_key: `segment-${feature}`, condition })
  yield* plant("hm_platform_policy", {
    policy_id: randomUUID(),
    policy_key: `policy-${feature}`,
    effect: "deny",
    effective_from: "2026-01-01T00:00:00Z",
    effective_until: "2027-01-01T00:00:00Z",
    definition: condition
  })
  yield* plant("hm_platform_policy_decision", {
    decision_id: randomUUID(),
    effect: "deny",
    decided_at: "2026-01-01T00:00:00Z",
    last_decided_at: "2026-01-01T00:00:01Z",
    requires: "[]",
    because: "[]",
    reference: id,
    channel: email,
    category: `For ${email}`
  })
  const target = { type: "listing", id: "l-7" }
  yield* sql
    .withTransaction(
      Effect.andThen(
        Audit.record({
          action: "listing.refused",
          target,
          after: { reason: `Asked for by ${email.toUpperCase()}.` }
        }),
        Audit.record({ action: "customer.changed", target: { type: "customer", id } }).pipe(
          Effect.provideService(Actor.Actor, { type: "user", id: email })
        )
      )
    )
    .pipe(provide(owner))
})

const decodeSignal = Schema.decodeUnknownEffect(FraudSignal.NewSignal)

/** A person in each table that may hold one, through the services where a hash is in the way. */
export const plantPerson = Effect.fnUntraced(function* (id: string, email: string, owner: TenantId = acme) {
  const plant = plantFor(owner)
  const text = JSON.stringify({ customerId: id, contact: { email } })
  const job = { queue: "mails", payload: text, errors: JSON.stringify([{ error: `no mailbox ${email}` }]) }
  const execution = `welcome-${randomUUID()}`
  const message = randomUUID()
  const notification = randomUUID()
  const endpoint = randomUUID()
  const suffix = randomUUID()
  const finished = { state: "succeeded", finished_at: "2026-03-02T00:00:00Z", woken: 0 }
  yield* plant("hm_idempotency_key", { idempotency_key: randomUUID(), answer: text })
  yield* plant("hm_event_dead", { ...job, ordering_key: id })
  yield* plant("hm_event_log", {
    message_id: randomUUID(),
    event_id: `${id}:2`,
    subject: id,
    attributes: JSON.stringify({ customerid: id }),
    body: text
  })
  yield* plant("hm_event_element", {
    queue: "mails",
    element_id: `mail:${email}`,
    state: "pending",
    element: text,
    last_error: email
  })
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
  yield* plant("hm_workflow_execution", {
    execution_id: `import-${randomUUID()}`,
    state: "suspended",
    payload: text
  })
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
  yield* plant("hm_quota_delta", { subject: id, delta_id: randomUUID(), used: 3 })
  yield* plant("hm_quota_reservation", { reservation_id: randomUUID(), subject: id, status: "open" })
  yield* plant("hm_quota_threshold", { subject: id })
  yield* plant("hm_quota_burn", { subject: id, grant_id: randomUUID() })
  yield* plant("hm_quota_feature", { feature: `calls-${suffix}`, kind: "metered" })
  yield* plant("hm_quota_grant", { feature: `calls-${suffix}`, subject: id, source: "grant" })
  yield* plant("hm_rate_policy", { policy: `policy-${suffix}`, kind: "gcra", when_unavailable: "open" })
  yield* plant("hm_rate_override", {
    override_id: randomUUID(),
    policy: `policy-${suffix}`,
    bucket: `customer=${id}`,
    subject: JSON.stringify({ customer: id }),
    reason: `asked for by ${email}`
  })
  yield* plant("hm_api_rate_limit", { bucket: `customer=${id}` })
  yield* plant("hm_rate_store", { kind: "window", key: `login/${email}` })
  yield* plant("hm_quota_key", { key: randomUUID(), request: text })
  yield* plant("hm_experiment_unit", { unit_kind: "customer", unit: id })
  yield* plant("hm_experiment_fact", { unit_kind: "customer", unit: id, fact_id: randomUUID() })
  yield* plant("hm_experiment_fact_key", { unit_kind: "customer", unit: id, fact_id: randomUUID() })
  yield* plant("hm_experiment_subject", { unit_kind: "customer", unit: id })
  yield* plant("hm_experiment_phase", {
    experiment_id: randomUUID(),
    targeting: JSON.stringify({ attribute: "targetingKey", operator: "in", values: [id] })
  })
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
  yield* plant("hm_notification_trigger", {
    key: `sale-${suffix}`,
    trigger_id: randomUUID(),
    audience_kind: "everyone",
    state: "expanded",
    cursor_kind: "customer",
    cursor_id: id
  })
  yield* plant("hm_notification_list_member", { list: "vip", recipient_kind: "customer", recipient_id: id })
  yield* plant("hm_notification_preference_change", {
    change_id: randomUUID(),
    recipient_kind: "customer",
    recipient_id: id
  })
  yield* plant("hm_notification_suppression", {
    address_hash: randomBytes(32),
    reason: "bounce",
    detail: `550 ${email} is unknown`
  })
  yield* plantChanges(id, email, owner)
  yield* plant("hm_loop_failure", { loop: `expansion-${suffix}`, last_error: `no profile of ${email}` })
  const user_key = createHash("sha256")
    .update(JSON.stringify(["observability.user", owner, id]))
    .digest("hex")
    .slice(0, 32)
  const log = randomUUID()
  yield* plant("hm_error_user", { user_key })
  yield* plant("hm_error_event_key", { log_id: log, event_id: randomUUID() })
  yield* plant("hm_error_log", {
    log_id: log,
    user_key,
    level: "error",
    payload: zstdCompressSync(Buffer.from(JSON.stringify({ user: { id } })))
  })
  yield* plant("hm_error_tag", { issue_id: randomUUID(), name: "mail", value: email })
  yield* plant("hm_error_merge", { merge_id: randomUUID(), reason: `one cart of ${email}` })
  yield* plant("hm_error_pending", {
    pending_id: randomUUID(),
    payload: zstdCompressSync(Buffer.from(JSON.stringify({ message: `no bill for ${email}` })))
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
  yield* plantRisk(id, email, owner)
})

/** A signal and what follows from it. Entities are keyed hashes: the tables that only have them are counted by the test. */
const plantRisk = Effect.fnUntraced(function* (id: string, email: string, owner: TenantId) {
  const sql = yield* SqlClient.SqlClient
  const risk = yield* Risk
  const plant = plantFor(owner)
  const subject = `p-${randomUUID()}`
  const signal = yield* decodeSignal({
    kind: "payment",
    subject,
    key: randomUUID(),
    source: "/shop",
    entities: { account: id, email }
  })
  yield* risk.record([signal]).pipe(provide(owner))
  const [event] = yield* sql<{ readonly signalId: string; readonly entity: string }>`
    SELECT e.signal_id::text AS "signalId", e.entity::text AS entity
      FROM hm_fraud_entity_event AS e
           JOIN hm_fraud_signal AS s USING (tenant_id, signal_id)
     WHERE e.tenant_id = ${owner} AND s.subject = ${subject}
     LIMIT 1
  `
  const { entity, signalId } = event ?? { entity: "0", signalId: randomUUID() }
  const decision = {
    decision_id: randomUUID(),
    signal_id: signalId,
    outcome: "allow",
    reasons: "[]",
    shadow: "[]"
  }
  yield* plant("hm_risk_decision", {
    ...decision,
    subject,
    frozen: JSON.stringify({ attributes: { account: id } })
  })
  // A decision on the account itself, whose signal is gone.
  yield* plant("hm_risk_decision", {
    ...decision,
    decision_id: randomUUID(),
    signal_id: randomUUID(),
    subject: id
  })
  yield* plant("hm_fraud_signal_subject", { kind: "signup", subject: id, signal_id: randomUUID() })
  yield* plant("hm_fraud_signal", {
    signal_id: randomUUID(),
    occurred_at: new Date().toISOString(),
    kind: "signup",
    subject: id
  })
  yield* plant("hm_fraud_signal_key", { key: `signup/${id}`, signal_id: randomUUID() })
  yield* plant("hm_risk_label", { kind: "signup", subject: id })
  yield* plant("hm_risk_list_entry", {
    list: "block",
    entity: String(randomBytes(6).readUIntBE(0, 6)),
    entry_id: randomUUID(),
    reason: `a friend of ${email}`
  })
  yield* plant("hm_risk_snooze", { entity, snooze_id: randomUUID() })
  yield* plant("hm_risk_edge", { entity, other: String(randomBytes(6).readUIntBE(0, 6)) })
  yield* plant("hm_fraud_entity_hour", { entity, hour: "2026-03-01T00:00:00Z", currency: "EUR" })
  yield* sql`
    DELETE FROM hm_fraud_entity_due
     WHERE tenant_id = ${owner} AND entity = ${entity}::bigint
  `
  yield* plant("hm_fraud_entity_due", { entity })
})
