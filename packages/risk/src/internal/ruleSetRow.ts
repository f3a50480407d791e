/** Rule sets as they are stored: rules with their trees, and the attributes that they were checked against. */
import type * as SqlClient from "effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Ast from "../cel/Ast.ts"
import * as Parser from "../cel/Parser.ts"
import type { EntityKind } from "../FraudSignal.ts"
import type { Rule, Thresholds } from "../RiskRuleSet.ts"
import type { RiskScorer } from "../RiskScorer.ts"
import * as Engine from "./ruleEngine.ts"
import type * as Attribute from "./attribute.ts"

export interface Body {
  readonly astVersion: number
  readonly rules: ReadonlyArray<Engine.StoredRule>
  readonly thresholds: Thresholds
  /** One kind or none in rows of before there could be several. */
  readonly strict: ReadonlyArray<EntityKind> | EntityKind | null
  readonly attributes: ReadonlyArray<Attribute.Attribute>
  readonly scorer?: RiskScorer
}

export interface SetRow {
  readonly version: number
  readonly note: string
  readonly body: Body | string
  readonly recordedAt: Date
}

export const bodyOf = (row: SetRow): Body => (typeof row.body === "string" ? JSON.parse(row.body) : row.body)

export const strictOf = ({ strict }: Body): ReadonlyArray<EntityKind> => [strict ?? []].flat()

/** A tree of another form is made again from the text. */
export const compiledOf = (row: SetRow): Engine.CompiledSet => {
  const body = bodyOf(row)
  const rules =
    body.astVersion === Ast.version
      ? body.rules
      : body.rules.flatMap(({ rule }, index) => {
          const checked = Engine.checkRule(rule, Parser.parse(rule.expression), index, {
            attributes: body.attributes,
            hasScorer: body.scorer !== undefined
          })
          return "stored" in checked ? [checked.stored] : []
        })
  return Engine.compile({
    version: row.version,
    rules,
    thresholds: body.thresholds,
    strict: strictOf(body),
    attributes: body.attributes,
    ...(body.scorer === undefined ? {} : { scorer: body.scorer })
  })
}

/** Returns the text that a rule is checked by: attributes are only added, and keep their types. */
const placeOf = ({ expression, kinds }: Rule): string =>
  JSON.stringify([expression, kinds?.toSorted() ?? null])

/** Returns the rules of a version by their text: one of the same text is taken over without being parsed or checked. */
export const checkedOf = (row: SetRow | undefined, scorer: RiskScorer | undefined) => {
  const body = row === undefined ? undefined : bodyOf(row)
  const rules = body?.astVersion === Ast.version ? body.rules : []
  const byPlace = new Map(
    rules
      .filter(({ variables }) => scorer !== undefined || !variables.includes(Engine.probabilityName))
      .map((stored) => [placeOf(stored.rule), stored])
  )
  return (rule: Rule): Engine.StoredRule | undefined => {
    const stored = byPlace.get(placeOf(rule))
    return stored === undefined ? undefined : { ...stored, rule }
  }
}

export interface StateRow {
  readonly revision: bigint | number | string
  readonly newest: number
  readonly live: number | null
  readonly shadow: ReadonlyArray<number>
}

export const make = (sql: SqlClient.SqlClient) => ({
  state: (tenantId: string) =>
    Effect.map(
      sql<StateRow>`
        SELECT revision, newest, live, shadow
          FROM hm_risk_rule_state
         WHERE tenant_id = ${tenantId}
      `,
      ([row]) => row
    ),

  lockState: (tenantId: string, now: Date) =>
    Effect.map(
      sql<StateRow>`
        INSERT INTO hm_risk_rule_state AS state (tenant_id, revision, newest, updated_at)
        VALUES (${tenantId}, 1, 0, ${now})
            ON CONFLICT (tenant_id)
            DO UPDATE SET updated_at = state.updated_at
        RETURNING revision, newest, live, shadow
      `,
      ([row]) => row ?? { revision: 1, newest: 0, live: null, shadow: [] }
    ),

  sets: (tenantId: string, versions: ReadonlyArray<number>) => sql<SetRow>`
    SELECT version, note, body, recorded_at AS "recordedAt"
      FROM hm_risk_rule_set
     WHERE tenant_id = ${tenantId} AND version = ANY (${versions}::integer[])
  `,

  list: (tenantId: string, before: number, limit: number) => sql<SetRow>`
    SELECT version, note, body, recorded_at AS "recordedAt"
      FROM hm_risk_rule_set
     WHERE tenant_id = ${tenantId} AND version < ${before}
     ORDER BY version DESC
     LIMIT ${limit}
  `,

  insert: (tenantId: string, version: number, note: string, body: Body, now: Date) => sql`
    WITH counted AS (
      UPDATE hm_risk_rule_state
         SET newest = ${version}, updated_at = ${now}
       WHERE tenant_id = ${tenantId}
    )
    INSERT INTO hm_risk_rule_set (tenant_id, version, note, body, recorded_at)
    VALUES (${tenantId}, ${version}, ${note}, ${JSON.stringify(body)}::jsonb, ${now})
  `,

  choose: (tenantId: string, live: number | null, shadow: ReadonlyArray<number>, now: Date) =>
    Effect.map(
      sql<StateRow>`
        UPDATE hm_risk_rule_state
           SET revision = revision + 1, live = ${live}, shadow = ${shadow}::integer[], updated_at = ${now}
         WHERE tenant_id = ${tenantId}
        RETURNING revision, newest, live, shadow
      `,
      ([row]) => row
    ),

  attributes: (tenantId: string) => sql<Attribute.Attribute>`
    SELECT kind, name, type
      FROM hm_risk_attribute
     WHERE tenant_id = ${tenantId}
     ORDER BY kind, name
  `,

  declare: (tenantId: string, attributes: ReadonlyArray<Attribute.Attribute>, now: Date) => sql`
    INSERT INTO hm_risk_attribute (tenant_id, kind, name, type, recorded_at)
    SELECT ${tenantId}, declared.kind, declared.name, declared.type, ${now}::timestamptz
      FROM unnest(
             ${attributes.map(({ kind }) => kind)}::text[],
             ${attributes.map(({ name }) => name)}::text[],
             ${attributes.map(({ type }) => type)}::text[]
           ) AS declared (kind, name, type)
        ON CONFLICT (tenant_id, kind, name) DO NOTHING
  `
})
