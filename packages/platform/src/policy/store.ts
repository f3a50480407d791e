/** Policies of one owner: a tenant, or `_system` for the installation. */
import * as Audit from "@hypermarket/core/Audit"
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Condition from "@hypermarket/core/Condition"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import * as Region from "@hypermarket/core/Region"
import { VersionStale } from "@hypermarket/core/Precondition"

import { transactionOf } from "@hypermarket/core/Transaction"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import {
  limits,
  type NewRegionPolicy,
  PolicyExists,
  PolicyInvalid,
  PolicyLimitReached,
  PolicyNotFound,
  PolicyTie,
  type RegionPolicy,
  type RegionPolicyChange
} from "../RegionPolicy.ts"
import { type StoredPolicy, tiesOf } from "./engine.ts"
import { columns, draftOf, type PolicyRow, Row, toPolicy, toStored } from "./rows.ts"

const pages = Page.make({
  list: "platform.policies",
  key: Schema.Tuple([Schema.String]),
  keyOf: (policy: RegionPolicy) => [policy.policyKey] as const
})
const versionPages = Page.make({
  list: "platform.policyVersions",
  key: Schema.Tuple([Schema.Int]),
  keyOf: (policy: RegionPolicy) => [policy.version] as const
})

/** Above every version: the column is an integer. */
const versionAfterLast = 2_147_483_647

/** Fails with what a schema cannot see: codes that are not assigned, patterns, dates, networks and segments of the condition. */
export const check = (
  policy: NewRegionPolicy | RegionPolicyChange,
  isOfInstallation: boolean
): Effect.Effect<void, PolicyInvalid> => {
  const tenantErrors =
    policy.tenant !== undefined && !isOfInstallation
      ? [{ path: ["tenant"], message: "Expected no tenant: a tenant's policy binds that tenant" }]
      : []
  const regionErrors =
    policy.region === undefined
      ? []
      : Result.match(Region.parse(policy.region), {
          onFailure: (message) => [{ path: ["region"], message }],
          onSuccess: () => []
        })
  const conditionErrors =
    policy.condition === undefined
      ? []
      : Result.match(Condition.compile(policy.condition, {}), {
          onFailure: (issues) =>
            issues.map(({ message, path }) => ({ path: ["condition", ...path], message })),
          onSuccess: () => []
        })
  const errors = [...tenantErrors, ...regionErrors, ...conditionErrors]
  return errors.length === 0 ? Effect.void : Effect.fail(new PolicyInvalid({ errors }))
}

export const make = (sql: SqlClient.SqlClient, signal: (owner: string) => Effect.Effect<void>) => {
  const returned = sql.literal(columns)
  const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))
  const rowsOf = (self: Effect.Effect<ReadonlyArray<unknown>, SqlError>) =>
    Effect.flatMap(self, (rows) => Effect.orDie(decodeRows(rows)))

  /** Every version of an owner's policies. */
  const all = (owner: string) =>
    rowsOf(sql`
      SELECT ${returned}
        FROM hm_platform_policy
       WHERE tenant_id = ${owner}
    `)

  const revisionOf = (owner: string) =>
    Effect.map(
      sql<{ readonly revision: string }>`
        SELECT revision::text AS revision
          FROM hm_platform_policy_revision
         WHERE tenant_id = ${owner}
      `,
      ([row]) => BigInt(row?.revision ?? "0")
    )

  const find = Effect.fnUntraced(function* (owner: string, policyKey: string) {
    const [row] = yield* rowsOf(sql`
      SELECT ${returned}
        FROM hm_platform_policy
       WHERE tenant_id = ${owner} AND policy_key = ${policyKey} AND superseded_at IS NULL
    `)
    return row
  })

  const existing = Effect.fnUntraced(function* (owner: string, policyKey: string) {
    const row = yield* find(owner, policyKey)
    return row === undefined ? yield* new PolicyNotFound({ policyKey }) : row
  })

  const get = (owner: string, policyKey: string) => Effect.flatMap(existing(owner, policyKey), toPolicy)

  const list = Effect.fnUntraced(function* (owner: string, request: Page.Request) {
    const [after] = Option.getOrElse(yield* pages.after(request), () => [""] as const)
    const rows = yield* rowsOf(sql`
      SELECT ${returned}
        FROM hm_platform_policy
       WHERE tenant_id = ${owner} AND policy_key > ${after} AND superseded_at IS NULL
       ORDER BY policy_key
       LIMIT ${Page.limitOf(request) + 1}
    `)
    return yield* pages.page(yield* Effect.forEach(rows, toPolicy), request)
  })

  const listVersions = Effect.fnUntraced(function* (owner: string, policyKey: string, request: Page.Request) {
    const { policyId } = yield* existing(owner, policyKey)
    const [before] = Option.getOrElse(yield* versionPages.after(request), () => [versionAfterLast] as const)
    const rows = yield* rowsOf(sql`
      SELECT ${returned}
        FROM hm_platform_policy
       WHERE tenant_id = ${owner} AND policy_id = ${policyId}::uuid AND version < ${before}
       ORDER BY version DESC
       LIMIT ${Page.limitOf(request) + 1}
    `)
    return yield* versionPages.page(yield* Effect.forEach(rows, toPolicy), request)
  })

  /** Raises the revision. Its row is locked until the end of the transaction: writers of an owner take turns. */
  const raise = (owner: string, now: Date) =>
    sql`
      INSERT INTO hm_platform_policy_revision AS revised (tenant_id, revision, updated_at)
      VALUES (${owner}, 1, ${now})
          ON CONFLICT (tenant_id)
          DO UPDATE SET revision = revised.revision + 1, updated_at = excluded.updated_at
    `.pipe(Effect.andThen(signal(owner)))

  const checkTies = Effect.fnUntraced(function* (owner: string, draft: StoredPolicy) {
    const ties = tiesOf(draft, (yield* all(owner)).map(toStored))
    if (ties.length > 0) return yield* new PolicyTie({ policyKeys: ties.toSorted() })
  })

  const insert = Effect.fnUntraced(function* (
    owner: string,
    policy: NewRegionPolicy | RegionPolicyChange,
    draft: StoredPolicy,
    now: Date
  ) {
    const { actions, category, channel, condition, priority, requirements, tenant, value } = draft
    const definition = JSON.stringify({
      actions,
      description: policy.description,
      channel,
      category,
      tenant,
      requirements,
      value,
      condition,
      priority
    })
    const [row] = yield* rowsOf(sql`
      INSERT INTO hm_platform_policy (tenant_id, policy_id, version, policy_key, effect, region, definition, effective_from,
                                      effective_until, legal_basis, source, recorded_at)
      VALUES (${owner}, ${draft.policyId}::uuid, ${draft.version}, ${draft.policyKey}, ${draft.effect}, ${draft.region},
              ${definition}::text::json,
              ${policy.effectiveFrom === undefined ? null : DateTime.toDateUtc(policy.effectiveFrom)},
              ${policy.effectiveUntil === undefined ? null : DateTime.toDateUtc(policy.effectiveUntil)},
              ${policy.legalBasis}, ${policy.source}, ${now})
          ON CONFLICT DO NOTHING
      RETURNING ${returned}
    `)
    return row
  })

  const supersede = (owner: string, row: PolicyRow, now: Date) =>
    sql`
      UPDATE hm_platform_policy
         SET superseded_at = ${now}
       WHERE tenant_id = ${owner} AND policy_id = ${row.policyId}::uuid AND version = ${row.version}
    `

  const create = Effect.fnUntraced(function* (owner: string, policy: NewRegionPolicy, installation: boolean) {
    yield* check(policy, installation)
    const now = yield* Now.now
    const { policyKey } = policy
    const policyId = yield* Identifier.next
    const write = Effect.gen(function* () {
      yield* raise(owner, now)
      const [counted] = yield* sql<{ readonly count: number }>`
        SELECT count(*)::int AS count
          FROM hm_platform_policy
         WHERE tenant_id = ${owner} AND superseded_at IS NULL
      `
      if ((counted?.count ?? 0) >= limits.policiesMax) {
        return yield* new PolicyLimitReached({ limit: limits.policiesMax })
      }
      const draft = draftOf(policy, { policyId, policyKey, version: 1, now })
      yield* checkTies(owner, draft)
      const row = yield* insert(owner, policy, draft, now)
      return row === undefined ? yield* new PolicyExists({ policyKey }) : yield* toPolicy(row)
    })
    return yield* transactionOf(sql)(write)
  })

  /** The current version, which the caller has seen. The revision's row is locked before it is read. */
  const at = Effect.fnUntraced(function* (owner: string, policyKey: string, version: number, now: Date) {
    yield* raise(owner, now)
    const row = yield* existing(owner, policyKey)
    return row.version === version ? row : yield* new VersionStale({ currentVersion: row.version })
  })

  const change = Effect.fnUntraced(function* (
    owner: string,
    policyKey: string,
    version: number,
    policy: RegionPolicyChange,
    installation: boolean
  ) {
    yield* check(policy, installation)
    const now = yield* Now.now
    const write = Effect.gen(function* () {
      const current = yield* at(owner, policyKey, version, now)
      const { policyId } = current
      const draft = draftOf(policy, { policyId, policyKey, version: version + 1, now })
      yield* checkTies(owner, draft)
      yield* supersede(owner, current, now)
      const row = yield* insert(owner, policy, draft, now)
      return row === undefined ? yield* new PolicyNotFound({ policyKey }) : yield* toPolicy(row)
    })
    return yield* transactionOf(sql)(write)
  })

  const remove = Effect.fnUntraced(function* (owner: string, policyKey: string, version: number) {
    const now = yield* Now.now
    const write = Effect.gen(function* () {
      yield* supersede(owner, yield* at(owner, policyKey, version, now), now)
    })
    yield* transactionOf(sql)(write)
  })

  const targetOf = (policyKey: string) => ({ type: "region-policy", id: policyKey })

  return {
    all,
    revisionOf,
    get,
    list,
    listVersions,
    create: (owner: string, policy: NewRegionPolicy, installation: boolean) =>
      AuditedChange.change(sql, create(owner, policy, installation), {
        action: "region-policy.created",
        target: targetOf(policy.policyKey),
        after: (created) => created
      }).pipe(Audit.inLogOf(owner)),
    change: (
      owner: string,
      policyKey: string,
      version: number,
      policy: RegionPolicyChange,
      installation: boolean
    ) =>
      AuditedChange.change(sql, change(owner, policyKey, version, policy, installation), {
        action: "region-policy.changed",
        target: targetOf(policyKey),
        before: get(owner, policyKey),
        after: (changed) => changed
      }).pipe(Audit.inLogOf(owner)),
    remove: (owner: string, policyKey: string, version: number) =>
      AuditedChange.change(sql, remove(owner, policyKey, version), {
        action: "region-policy.removed",
        target: targetOf(policyKey),
        before: get(owner, policyKey)
      }).pipe(Audit.inLogOf(owner))
  }
}
