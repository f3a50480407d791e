/**
 * The data of persons in risk. Entities are keyed hashes: those of the subject are found by hashing its names with the tenant's
 * key. Decisions stay without what the rules had read.
 *
 * @since 0.1.0
 */
import type { Secrets } from "@hypermarket/core/Secrets"
import type * as SubjectData from "@hypermarket/core/SubjectData"
import * as SubjectTables from "@hypermarket/core/SubjectTables"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as Entity from "./internal/entity.ts"

const { columns, nothing, rows } = SubjectTables

/** The entities that are the subject itself. An address of the network or a device may be of several persons. */
const entitiesOf = ({ id, identifiers, kind }: SubjectData.Subject): ReadonlyArray<Entity.Entity> => [
  ...Entity.normalise(kind === "seller" ? { seller: id } : { account: id }),
  ...identifiers.flatMap((identifier) => {
    switch (identifier.kind) {
      case "email":
        return Entity.normalise({ email: identifier.value })
      case "phone":
        return Entity.normalise({ phone: identifier.value })
      case "card":
        return Entity.normalise({ card: identifier.value })
      case "device":
        return Entity.normalise({ device: identifier.value })
      case "address":
        return Entity.normalise({ address: identifier.value })
      default:
        return Entity.normalise({ account: identifier.value })
    }
  })
]

const related = Effect.fnUntraced(function* (subject: SubjectData.Subject) {
  const sql = yield* SqlClient
  const tenant = yield* Tenant
  const hash = yield* Entity.hasher
  const entity = entitiesOf(subject).map((one) => String(hash(one).hash))
  // A payout names its sellers: signals of a seller are of the customers too, and stay.
  const found =
    subject.kind === "seller"
      ? []
      : yield* sql<{ readonly signalId: string }>`
          SELECT DISTINCT signal_id::text AS "signalId"
            FROM hm_fraud_entity_event
           WHERE tenant_id = ${tenant.id} AND entity = ANY (${entity}::bigint[])
        `
  return { entity, signal: found.map(({ signalId }) => signalId) }
})

/** Without a key for secrets no entity was ever hashed. */
const relatedOrNone = (subject: SubjectData.Subject) =>
  related(subject).pipe(
    Effect.catchTag("SecretsNotConfigured", () => Effect.succeed({ entity: [], signal: [] }))
  )

const ofSignal = { column: "signal_id", of: "signal" }
const ofEntity = { column: "entity", of: "entity" }

/**
 * Finds, exports and erases a person in the tables of risk.
 *
 * @category domains
 * @since 0.1.0
 */
export const subjectData = SubjectTables.make<Secrets>({
  related: relatedOrNone,
  tables: [
    columns(
      "hm_risk_decision",
      { ids: [ofSignal] },
      {
        set: {
          frozen: { expression: `target.frozen || '{"entities": [], "attributes": {}}'` },
          verdict: { expression: `target.verdict || '{"fired": [], "errors": []}'` }
        },
        reason: "the decision stays, without what its rules had read"
      }
    ),
    columns(
      "hm_risk_decision",
      { ids: ["subject"] },
      { set: { subject: "pseudonym" }, reason: "the decision stays, under a pseudonym" }
    ),
    rows("hm_fraud_signal_key", { ids: [ofSignal], texts: ["key"] }),
    rows("hm_fraud_signal_subject", { ids: [ofSignal, "subject"] }),
    rows("hm_fraud_signal", { ids: [ofSignal, "subject"], texts: ["attributes"] }),
    rows("hm_risk_label", { ids: ["subject"] }),
    columns(
      "hm_risk_list_entry",
      { texts: ["reason"] },
      { set: { reason: "marker" }, reason: "a listed entity stays as a keyed hash, without the reason" }
    ),
    rows("hm_risk_snooze", { ids: [ofEntity], texts: ["reason"], indexed: false }),
    rows("hm_fraud_entity_hour", { ids: [ofEntity], indexed: true }),
    rows("hm_fraud_entity_due", { ids: [ofEntity], indexed: true }),
    rows("hm_risk_edge", { ids: [ofEntity, { column: "other", of: "entity" }] }),
    // The last: signals are found by it.
    rows("hm_fraud_entity_event", { ids: [ofEntity, ofSignal] }),
    nothing("hm_risk_attribute", "configuration of the tenant"),
    nothing("hm_risk_rule_set", "configuration of the tenant"),
    nothing("hm_risk_rule_state", "configuration of the tenant")
  ]
})
