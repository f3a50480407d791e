/**
 * The rows of `hm_secret_key`. Bytes go as base64 text: other drivers have a type of their own for bytea.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { randomBytes } from "node:crypto"
import { now } from "../../Now.ts"
import * as Cipher from "./cipher.ts"
import type { MasterKeys } from "./masterKeys.ts"

export interface KeyRow {
  readonly tenantId: string
  readonly purpose: string
  readonly keyId: string
  readonly masterKeyId: string
  readonly sealedKey: string
}

/** Identifies a data key in tokens; 2^72 ids, so that a key made after `forget` has another. */
const keyIdBytes = 9

/** Rows of one transaction of {@link resealAll}: it holds their locks for a few milliseconds. */
const resealBatchMax = 100

/** A data key that is copied to another tenant or purpose does not open there. */
const fieldsOf = (row: Omit<KeyRow, "sealedKey">): ReadonlyArray<string> => [
  "hypermarket data key",
  row.tenantId,
  row.purpose,
  row.keyId,
  row.masterKeyId
]

const sealWith = (
  keys: MasterKeys,
  row: Pick<KeyRow, "tenantId" | "purpose" | "keyId">,
  dataKey: Buffer
): KeyRow => {
  const [newest] = keys
  const fields = { tenantId: row.tenantId, purpose: row.purpose, keyId: row.keyId, masterKeyId: newest.id }
  return { ...fields, sealedKey: Cipher.encrypt(newest.key, fieldsOf(fields), dataKey).toString("base64") }
}

/** Returns the data key, or why it cannot be opened. */
export const open = (keys: MasterKeys, row: KeyRow): Buffer | "key_missing" | "unreadable" => {
  const master = keys.find(({ id }) => id === row.masterKeyId)
  if (master === undefined) return "key_missing"
  return Cipher.decrypt(master.key, fieldsOf(row), Buffer.from(row.sealedKey, "base64")) ?? "unreadable"
}

export const find = (sql: SqlClient.SqlClient, tenantId: string, purpose: string) =>
  sql<KeyRow>`
    SELECT tenant_id AS "tenantId",
           purpose,
           key_id AS "keyId",
           master_key_id AS "masterKeyId",
           encode(sealed_key, 'base64') AS "sealedKey"
      FROM hm_secret_key
     WHERE tenant_id = ${tenantId}
       AND purpose = ${purpose}
  `.pipe(Effect.map((rows) => rows[0]))

/** Inserts a new data key and returns it, or the one that another transaction has committed meanwhile. */
export const insert = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  keys: MasterKeys,
  tenantId: string,
  purpose: string
) {
  const createdAt = yield* now
  const row = sealWith(
    keys,
    { tenantId, purpose, keyId: randomBytes(keyIdBytes).toString("base64url") },
    Cipher.randomKey()
  )
  const insertOrFind = Effect.gen(function* () {
    const inserted = yield* sql<{ readonly keyId: string }>`
      INSERT INTO hm_secret_key (tenant_id, purpose, key_id, master_key_id, sealed_key, created_at)
      VALUES (${tenantId}, ${purpose}, ${row.keyId}, ${row.masterKeyId}, decode(${row.sealedKey}, 'base64'), ${createdAt})
          ON CONFLICT (tenant_id, purpose) DO NOTHING
      RETURNING key_id AS "keyId"
    `
    return inserted.length > 0 ? row : yield* find(sql, tenantId, purpose)
  })
  // Undefined when the other's row was forgotten between the two statements.
  return yield* Effect.repeat(insertOrFind, { until: (result): result is KeyRow => result !== undefined })
})

export const remove = (sql: SqlClient.SqlClient, tenantId: string, purpose: string) => sql`
  DELETE FROM hm_secret_key
   WHERE tenant_id = ${tenantId}
     AND purpose = ${purpose}
`

const batchAfter = (
  sql: SqlClient.SqlClient,
  keys: MasterKeys,
  after: { readonly tenantId: string; readonly purpose: string }
) => sql<KeyRow>`
  SELECT tenant_id AS "tenantId",
         purpose,
         key_id AS "keyId",
         master_key_id AS "masterKeyId",
         encode(sealed_key, 'base64') AS "sealedKey"
    FROM hm_secret_key
   WHERE (tenant_id, purpose) > (${after.tenantId}, ${after.purpose})
     AND master_key_id <> ${keys[0].id}
   ORDER BY tenant_id, purpose
   LIMIT ${resealBatchMax}
`

/** Changes only rows that are still as they were read: a row that was sealed again or replaced meanwhile stays. */
const writeBatch = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  changes: ReadonlyArray<{ readonly from: KeyRow; readonly to: KeyRow }>
) {
  const resealedAt = yield* now
  const rows = yield* sql<{ readonly keyId: string }>`
    UPDATE hm_secret_key AS existing
       SET master_key_id = change.master_key_id,
           sealed_key = decode(change.sealed_key, 'base64'),
           resealed_at = ${resealedAt}
      FROM unnest(
             ${changes.map(({ from }) => from.tenantId)}::text[],
             ${changes.map(({ from }) => from.purpose)}::text[],
             ${changes.map(({ from }) => from.keyId)}::text[],
             ${changes.map(({ from }) => from.masterKeyId)}::text[],
             ${changes.map(({ to }) => to.masterKeyId)}::text[],
             ${changes.map(({ to }) => to.sealedKey)}::text[]
           ) AS change (tenant_id, purpose, key_id, old_master_key_id, master_key_id, sealed_key)
     WHERE existing.tenant_id = change.tenant_id
       AND existing.purpose = change.purpose
       AND existing.key_id = change.key_id
       AND existing.master_key_id = change.old_master_key_id
    RETURNING existing.key_id AS "keyId"
  `
  return rows.length
})

export const resealAll = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, keys: MasterKeys) {
  let after = { tenantId: "", purpose: "" }
  let resealed = 0
  let unreadable = 0
  while (true) {
    const rows = yield* batchAfter(sql, keys, after)
    const last = rows.at(-1)
    if (last === undefined) return { resealed, unreadable }
    after = { tenantId: last.tenantId, purpose: last.purpose }
    const changes: Array<{ readonly from: KeyRow; readonly to: KeyRow }> = []
    for (const row of rows) {
      const dataKey = open(keys, row)
      if (typeof dataKey === "string") {
        unreadable++
        yield* Effect.logWarning("A data key cannot be sealed again", {
          tenantId: row.tenantId,
          purpose: row.purpose,
          masterKeyId: row.masterKeyId,
          reason: dataKey
        })
      } else changes.push({ from: row, to: sealWith(keys, row, dataKey) })
    }
    if (changes.length > 0) resealed += yield* writeBatch(sql, changes)
  }
})

/** Data keys by the id of the key that seals them. */
export interface Count {
  readonly masterKeyId: string
  readonly rows: number
}

export const countByMasterKey = (sql: SqlClient.SqlClient) => sql<Count>`
  SELECT master_key_id AS "masterKeyId",
         count(*)::int AS rows
    FROM hm_secret_key
   GROUP BY master_key_id
   ORDER BY master_key_id
`
