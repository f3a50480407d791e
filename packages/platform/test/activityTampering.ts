/** Ways to change a log behind its back, and where each is found. */
import { TenantId } from "@hypermarket/core/Tenant"
import { Layer } from "effect"
import * as Support from "./auditSupport.ts"

export const log = "hm_platform_activity_log"
export const checkpoints = "hm_platform_activity_checkpoint"

export interface Tampering {
  readonly title: string
  readonly statements: (tenant: string) => ReadonlyArray<string>
  /** The kind and the checkpoint of the first problem. */
  readonly first: readonly ["row" | "checkpoint", number | null]
}

export const rowOf = (tenant: string, place: number): string =>
  `(SELECT activity_id FROM ${log} WHERE tenant_id = '${tenant}' ORDER BY recorded_at, activity_id OFFSET ${place} LIMIT 1)`

export const tamperings: ReadonlyArray<Tampering> = [
  {
    title: "a changed action",
    statements: (t) => [
      `UPDATE ${log} SET action = 'item.removed' WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 4)}`
    ],
    first: ["row", 2]
  },
  {
    title: "a changed state",
    statements: (t) => [
      `UPDATE ${log} SET detail = replace(detail, '"stock":2', '"stock":9') WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 0)}`
    ],
    first: ["row", 1]
  },
  {
    title: "a changed actor",
    statements: (t) => [
      `UPDATE ${log} SET actor = replace(actor, 'hypermarket', 'mallory') WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 8)}`
    ],
    first: ["row", 3]
  },
  {
    title: "a time that was moved by a microsecond",
    statements: (t) => [
      `UPDATE ${log} SET recorded_at = recorded_at + interval '1 microsecond' WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 4)}`
    ],
    first: ["row", 2]
  },
  {
    title: "a state that was changed together with all its hashes",
    statements: (t) => [
      `UPDATE ${log} SET detail_hash = sha256('x'), detail = NULL, detail_salt = NULL, leaf_hash = sha256('y') WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 4)}`
    ],
    first: ["row", 2]
  },
  {
    title: "a deleted row at the head",
    statements: (t) => [`DELETE FROM ${log} WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 0)}`],
    first: ["row", 1]
  },
  {
    title: "a deleted row in the middle",
    statements: (t) => [`DELETE FROM ${log} WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 4)}`],
    first: ["row", 2]
  },
  {
    title: "a deleted row at the tail",
    statements: (t) => [`DELETE FROM ${log} WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 8)}`],
    first: ["row", 3]
  },
  {
    title: "a deletion that the checkpoint's list hides",
    statements: (t) => [
      `UPDATE ${checkpoints} SET activity_ids = activity_ids[1:2] WHERE tenant_id = '${t}' AND number = 2`,
      `DELETE FROM ${log} WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 5)}`
    ],
    first: ["checkpoint", 2]
  },
  {
    title: "two rows in another order",
    statements: (t) => [
      `UPDATE ${checkpoints} SET activity_ids = ARRAY[activity_ids[2], activity_ids[1], activity_ids[3]] WHERE tenant_id = '${t}' AND number = 2`
    ],
    first: ["checkpoint", 2]
  },
  {
    title: "a row that was added to a checkpoint",
    statements: (t) => [
      `INSERT INTO ${log} SELECT tenant_id, recorded_at, '019fffff-ffff-7fff-bfff-ffffffffffff', action, actor_type, target_type, actor, actor_salt, actor_hash, detail, detail_salt, detail_hash, leaf_hash FROM ${log} WHERE tenant_id = '${t}' AND activity_id = ${rowOf(t, 4)}`,
      `UPDATE ${checkpoints} SET rows = 4, activity_ids = activity_ids || '019fffff-ffff-7fff-bfff-ffffffffffff'::uuid WHERE tenant_id = '${t}' AND number = 2`
    ],
    first: ["checkpoint", 2]
  },
  {
    title: "a forged root",
    statements: (t) => [
      `UPDATE ${checkpoints} SET root = sha256('x') WHERE tenant_id = '${t}' AND number = 2`
    ],
    first: ["checkpoint", 2]
  },
  {
    title: "a forged signature",
    statements: (t) => [
      `UPDATE ${checkpoints} SET signature = sha256('x') || sha256('y') WHERE tenant_id = '${t}' AND number = 2`
    ],
    first: ["checkpoint", 2]
  },
  {
    title: "a signature of a key that is not in the list kept elsewhere",
    statements: (t) => [
      `UPDATE ${checkpoints} SET key_id = 'mallory' WHERE tenant_id = '${t}' AND number = 3`
    ],
    first: ["checkpoint", 3]
  },
  {
    title: "a dropped first checkpoint",
    statements: (t) => [`DELETE FROM ${checkpoints} WHERE tenant_id = '${t}' AND number = 1`],
    first: ["checkpoint", 2]
  },
  {
    title: "a dropped checkpoint in the middle",
    statements: (t) => [`DELETE FROM ${checkpoints} WHERE tenant_id = '${t}' AND number = 2`],
    first: ["checkpoint", 3]
  },
  {
    title: "a dropped end, checkpoint and rows",
    statements: (t) => [
      `DELETE FROM ${checkpoints} WHERE tenant_id = '${t}' AND number = 3`,
      `DELETE FROM ${log} WHERE tenant_id = '${t}' AND activity_id IN (${rowOf(t, 6)}, ${rowOf(t, 7)}, ${rowOf(t, 8)})`
    ],
    first: ["checkpoint", 3]
  },
  {
    title: "a log that was emptied",
    statements: (t) => [
      `DELETE FROM ${checkpoints} WHERE tenant_id = '${t}'`,
      `DELETE FROM ${log} WHERE tenant_id = '${t}'`
    ],
    first: ["checkpoint", 3]
  }
]

export const tamperedTenant = (index: number) => TenantId.make(`tampered-${index}`)

export const layerFilled = Layer.effectDiscard(
  Support.fillLogs(tamperings.map((_, index) => tamperedTenant(index)))
).pipe(Layer.provideMerge(Support.layerLog))
