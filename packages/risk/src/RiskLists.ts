/**
 * The lists of a tenant: entities that are allowed or blocked, and snoozed rules.
 *
 * @since 0.1.0
 */
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Column from "@hypermarket/core/Column"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import * as Row from "@hypermarket/core/Row"
import { Secrets, type SecretsNotConfigured } from "@hypermarket/core/Secrets"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { EntityKind, type Entities } from "./FraudSignal.ts"
import * as Entity from "./internal/entity.ts"
import {
  entriesMax,
  List,
  ListEntryId,
  ListEntryNotFound,
  ListLimit,
  RiskListEntry,
  RiskSnooze,
  type NewListEntry,
  type NewSnooze
} from "./RiskList.ts"
import { RuleKey } from "./RiskRuleSet.ts"

const entryRow = Row.make(
  RiskListEntry,
  {
    entryId: ListEntryId,
    list: List,
    entityKind: EntityKind,
    reason: Schema.String,
    expiresAt: Schema.NullOr(Column.Timestamp),
    recordedAt: Column.Timestamp
  },
  { uuid: ["entryId"] }
)

const snoozeRow = Row.make(
  RiskSnooze,
  {
    snoozeId: ListEntryId,
    rule: RuleKey,
    entityKind: EntityKind,
    until: Column.Timestamp,
    reason: Schema.String,
    recordedAt: Column.Timestamp
  },
  { uuid: ["snoozeId"] }
)

const entryPages = Page.make({
  list: "risk.listEntries",
  key: Schema.Tuple([ListEntryId]),
  keyOf: (entry: RiskListEntry) => [entry.entryId] as const
})

const snoozePages = Page.make({
  list: "risk.snoozes",
  key: Schema.Tuple([ListEntryId]),
  keyOf: (snooze: RiskSnooze) => [snooze.snoozeId] as const
})

/** The schema has admitted exactly one. */
const single = Effect.fnUntraced(function* (entities: Entities) {
  const hash = yield* Entity.hasher
  const [entity] = Entity.normalise(entities)
  return entity === undefined ? yield* Effect.die("exactly one entity was admitted") : hash(entity)
})

/**
 * @category services
 * @since 0.1.0
 */
export class RiskLists extends Context.Service<
  RiskLists,
  {
    /** Adds an entity to a list. One that is there gets the new reason and time. */
    readonly add: (
      entry: NewListEntry
    ) => Effect.Effect<RiskListEntry, ListLimit | SecretsNotConfigured | SqlError, Tenant>
    /** Newest first. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<RiskListEntry>, Page.CursorInvalid | SqlError, Tenant>
    readonly remove: (entryId: ListEntryId) => Effect.Effect<void, ListEntryNotFound | SqlError, Tenant>
    /** Keeps a rule from firing for an entity until a time. */
    readonly snooze: (
      snooze: NewSnooze
    ) => Effect.Effect<RiskSnooze, ListLimit | SecretsNotConfigured | SqlError, Tenant>
    /** Newest first. */
    readonly snoozes: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<RiskSnooze>, Page.CursorInvalid | SqlError, Tenant>
    readonly wake: (snoozeId: ListEntryId) => Effect.Effect<void, ListEntryNotFound | SqlError, Tenant>
  }
>()("@hypermarket/risk/RiskLists") {
  static readonly layer: Layer.Layer<RiskLists, never, SqlClient.SqlClient | Secrets> = Layer.effect(
    RiskLists,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const secrets = yield* Secrets
      const entryColumns = sql.literal(entryRow.columns)
      const snoozeColumns = sql.literal(snoozeRow.columns)
      const hashOf = (entities: Entities) => single(entities).pipe(Effect.provideService(Secrets, secrets))

      const add = Effect.fn("RiskLists.add")(function* (entry: NewListEntry) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const { hash, kind } = yield* hashOf(entry.entity)
        const entryId = yield* Identifier.next
        const expiresAt = entry.expiresAt === undefined ? null : DateTime.toDateUtc(entry.expiresAt)
        const [row] = yield* sql`
          INSERT INTO hm_risk_list_entry (tenant_id, list, entity, entity_kind, entry_id, reason, expires_at, recorded_at)
          SELECT ${tenant.id}, ${entry.list}, ${String(hash)}::bigint, ${kind}, ${entryId}::uuid, ${entry.reason},
                 ${expiresAt}::timestamptz, ${now}::timestamptz
           WHERE (
                 SELECT count(*)
                   FROM hm_risk_list_entry
                  WHERE tenant_id = ${tenant.id}
                 ) < ${entriesMax}
              ON CONFLICT (tenant_id, entity, list)
              DO UPDATE SET reason = excluded.reason, expires_at = excluded.expires_at
          RETURNING ${entryColumns}
        `
        return row === undefined ? yield* new ListLimit({ entriesMax }) : yield* entryRow.decode(row)
      })

      const list = Effect.fn("RiskLists.list")(function* (request: Page.Request) {
        const tenant = yield* Tenant
        const [before] = Option.getOrElse(yield* entryPages.after(request), () => [Page.lastUuid] as const)
        const rows = yield* sql`
          SELECT ${entryColumns}
            FROM hm_risk_list_entry
           WHERE tenant_id = ${tenant.id} AND entry_id < ${before}::uuid
           ORDER BY entry_id DESC
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* entryPages.page(yield* entryRow.decodeAll(rows), request)
      })

      const remove = Effect.fn("RiskLists.remove")(function* (entryId: ListEntryId) {
        const tenant = yield* Tenant
        const removed = yield* sql`
          DELETE FROM hm_risk_list_entry
           WHERE tenant_id = ${tenant.id} AND entry_id = ${entryId}::uuid
          RETURNING 1
        `
        if (removed.length === 0) return yield* new ListEntryNotFound({ entryId })
      })

      const snooze = Effect.fn("RiskLists.snooze")(function* (wanted: NewSnooze) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const { hash, kind } = yield* hashOf(wanted.entity)
        const snoozeId = yield* Identifier.next
        const [row] = yield* sql`
          INSERT INTO hm_risk_snooze (tenant_id, entity, rule, entity_kind, snooze_id, reason, until, recorded_at)
          SELECT ${tenant.id}, ${String(hash)}::bigint, ${wanted.rule}, ${kind}, ${snoozeId}::uuid, ${wanted.reason},
                 ${DateTime.toDateUtc(wanted.until)}::timestamptz, ${now}::timestamptz
           WHERE (
                 SELECT count(*)
                   FROM hm_risk_snooze
                  WHERE tenant_id = ${tenant.id}
                 ) < ${entriesMax}
              ON CONFLICT (tenant_id, entity, rule)
              DO UPDATE SET reason = excluded.reason, until = excluded.until
          RETURNING ${snoozeColumns}
        `
        return row === undefined ? yield* new ListLimit({ entriesMax }) : yield* snoozeRow.decode(row)
      })

      const snoozes = Effect.fn("RiskLists.snoozes")(function* (request: Page.Request) {
        const tenant = yield* Tenant
        const [before] = Option.getOrElse(yield* snoozePages.after(request), () => [Page.lastUuid] as const)
        const rows = yield* sql`
          SELECT ${snoozeColumns}
            FROM hm_risk_snooze
           WHERE tenant_id = ${tenant.id} AND snooze_id < ${before}::uuid
           ORDER BY snooze_id DESC
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* snoozePages.page(yield* snoozeRow.decodeAll(rows), request)
      })

      const wake = Effect.fn("RiskLists.wake")(function* (snoozeId: ListEntryId) {
        const tenant = yield* Tenant
        const removed = yield* sql`
          DELETE FROM hm_risk_snooze
           WHERE tenant_id = ${tenant.id} AND snooze_id = ${snoozeId}::uuid
          RETURNING 1
        `
        if (removed.length === 0) return yield* new ListEntryNotFound({ entryId: snoozeId })
      })

      const entryTarget = (entryId: ListEntryId) => ({ type: "risk-list-entry", id: entryId })

      return RiskLists.of({
        add: (entry) =>
          AuditedChange.change(sql, add(entry), {
            action: "risk-list-entry.added",
            target: ({ entryId }) => entryTarget(entryId),
            after: (added) => added
          }),
        list,
        remove: (entryId) =>
          AuditedChange.change(sql, remove(entryId), {
            action: "risk-list-entry.removed",
            target: entryTarget(entryId)
          }),
        snooze: (wanted) =>
          AuditedChange.change(sql, snooze(wanted), {
            action: "risk-rule.snoozed",
            target: ({ snoozeId }) => ({ type: "risk-snooze", id: snoozeId }),
            after: (snoozed) => snoozed
          }),
        snoozes,
        wake: (snoozeId) =>
          AuditedChange.change(sql, wake(snoozeId), {
            action: "risk-rule.woken",
            target: { type: "risk-snooze", id: snoozeId }
          })
      })
    })
  )
}
