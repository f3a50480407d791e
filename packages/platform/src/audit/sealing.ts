/** Puts the rows of one tenant's log that no checkpoint covers under a new one, in the caller's transaction. */
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import { system, Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Leaf from "./leaf.ts"
import * as Merkle from "./merkle.ts"
import * as Signing from "./signing.ts"
import * as Statements from "./statements.ts"

/** Rows of one checkpoint: their ids are some 160 KB. More rows make another checkpoint. */
export const checkpointRowsMax = 10_000

/** Text of the rows of one checkpoint, or one row: an export has a checkpoint in memory as a whole. */
const checkpointBytesMax = 16 * 1_048_576

const sealedTotal = Metric.counter("hm_platform_activity_sealed_total", {
  description: "Rows of the activity log that were put under a checkpoint",
  incremental: true
})

export const make = (sql: SqlClient.SqlClient, key: Signing.SigningKey | undefined) => {
  const statements = Statements.make(sql)

  const publish = Effect.fnUntraced(function* (
    tenantId: string,
    text: string,
    signature: Buffer | null,
    now: Date
  ) {
    // No tenant subscribes to events of the installation.
    if (tenantId === system) return
    const outbox = yield* Outbox.Outbox
    const event = yield* Outbox.event({
      domain: "platform",
      name: "activity.sealed",
      subject: tenantId,
      time: now,
      data: {
        hash: Leaf.hex(Merkle.textHash(text)),
        checkpoint: text,
        signature: signature === null ? null : signature.toString("base64")
      }
    })
    yield* outbox.publish([event])
  })

  /** The caller has locked the tenant's log. */
  return Effect.fnUntraced(function* (since: Date) {
    const { id: tenantId } = yield* Tenant
    const now = yield* Now.now
    const rows = yield* statements.sealable(tenantId, since, {
      rows: checkpointRowsMax,
      bytes: checkpointBytesMax
    })
    const [first] = rows
    const last = rows.at(-1)
    if (first === undefined || last === undefined) return { count: 0, hasMore: false }
    const leaves = rows.map(({ leafHash }) => leafHash)
    const previous = yield* statements.newest(tenantId)
    const checkpoint = {
      tenantId,
      number: (previous?.number ?? 0) + 1,
      previous: previous === undefined ? null : Merkle.textHash(Leaf.checkpointText(previous)),
      root: Merkle.root(leaves),
      rows: rows.length,
      sealedAt: Leaf.instantText(now),
      keyId: key?.keyId ?? null
    }
    const text = Leaf.checkpointText(checkpoint)
    const signature = key === undefined ? null : Signing.sign(key, text)
    if (key !== undefined) yield* statements.insertKey(key.keyId, key.publicKey, now)
    yield* statements.insertCheckpoint({
      ...checkpoint,
      signature,
      activityIds: rows.map(({ activityId }) => activityId),
      leafPrefixes: Leaf.prefixesOf(leaves),
      firstRecordedAt: first.recordedAt,
      lastRecordedAt: last.recordedAt
    })
    yield* publish(tenantId, text, signature, now)
    yield* sql.afterCommit(Metric.update(sealedTotal, rows.length))
    return { count: rows.length, hasMore: rows.length < first.unsealed || rows.length === checkpointRowsMax }
  })
}
