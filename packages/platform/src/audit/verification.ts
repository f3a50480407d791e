/**
 * Compares the log with its checkpoints. It reads page by page and not in one snapshot: a checkpoint and its rows are never
 * written again, and what is sealed meanwhile is looked at or not.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import { ActivityProblem, ActivityReport, type ActivityVerify } from "../Activity.ts"
import * as Canonical from "./canonical.ts"
import * as Drops from "./drops.ts"
import * as Leaf from "./leaf.ts"
import * as Merkle from "./merkle.ts"
import * as Signing from "./signing.ts"
import type * as Statements from "./statements.ts"

/** Problems and late rows that a report names: more would hide the first. */
const namedMax = 100

/** Checkpoints of one round follow each other within it; rounds are a minute apart. */
const roundMillisMax = 10_000

/** Checkpoints per statement: with their ids at most some megabytes. */
const checkpointsPerPage = 20

const sameBytes = (left: Uint8Array, right: Uint8Array): boolean => Buffer.compare(left, right) === 0

/** A part of a row that does not fit the hash stored beside it. */
const isOther = (text: string | null, salt: Uint8Array | null, stored: Uint8Array | null): boolean =>
  text !== null && salt !== null && stored !== null && !sameBytes(Merkle.saltedHash(salt, text), stored)

/** The fault of a row that is seen without its checkpoint: hashes that are stored in it do not fit. */
const faultOf = (row: Leaf.LogRow, leaf: Uint8Array): string | undefined => {
  if (isOther(row.actor, row.actorSalt, row.actorHash)) return "its actor was changed"
  if (isOther(row.detail, row.detailSalt, row.detailHash)) return "its target or state was changed"
  return row.leafHash === null || sameBytes(leaf, row.leafHash) ? undefined : "it was changed"
}

const Erasure = Schema.fromJsonString(
  Schema.Struct({ after: Schema.Struct({ activityIds: Schema.Array(Schema.String) }) })
)
const decodeErasure = Schema.decodeUnknownOption(Erasure)

/** The ids of rows that an entry of an erasure names. */
const erasedBy = (row: Leaf.LogRow): ReadonlyArray<string> =>
  row.action === erasedAction
    ? Option.match(decodeErasure(row.detail), {
        onNone: () => [],
        onSome: ({ after }) => after.activityIds
      })
    : []

/** The action of the entry that an erasure leaves. */
export const erasedAction = "activity.erased"

export interface Options extends ActivityVerify {
  readonly tenantId: string
  /** The public keys that may have signed, by id. */
  readonly publicKeys: ReadonlyMap<string, Uint8Array>
  /** Rows that no checkpoint covers and that were recorded before are named: sealing takes a minute. */
  readonly sealedBefore: Date
}

export const verify = Effect.fnUntraced(function* (
  statements: ReturnType<typeof Statements.make>,
  options: Options
): Effect.fn.Return<ActivityReport, SqlError> {
  const { publicKeys, tenantId } = options
  const problems: Array<ActivityProblem> = []
  const late: Array<{ activityId: string; recordedAt: string; checkpoint: number }> = []
  const erased = new Set<string>()
  const namedErased = new Set<string>()
  const entryOfDrop = Drops.make(yield* statements.ofAction(tenantId, Drops.droppedAction))
  const usedDrops = new Set<string>()
  const intactDrops = new Set<string>()
  const count = { checkpoints: 0, rows: 0, unsigned: 0, erased: 0, dropped: 0 }
  let previous: { readonly hash: Buffer; readonly checkpoint: Statements.Checkpoint } | undefined
  let isSigned = false
  let isHeadFound = options.head === undefined || options.head.number === 0

  const report = (
    kind: "row" | "checkpoint",
    id: string,
    checkpoint: number | null,
    reason: string
  ): void => {
    if (problems.length < namedMax) problems.push(new ActivityProblem({ kind, id, checkpoint, reason }))
  }

  const checkChain = (checkpoint: Statements.Checkpoint): void => {
    const id = String(checkpoint.number)
    const complain = (reason: string) => report("checkpoint", id, checkpoint.number, reason)
    const expected = (previous?.checkpoint.number ?? 0) + 1
    if (checkpoint.number !== expected) {
      complain(
        checkpoint.number === expected + 1
          ? `checkpoint ${expected} before it was dropped`
          : `checkpoints ${expected} to ${checkpoint.number - 1} before it were dropped`
      )
    } else if (!sameBytes(checkpoint.previous ?? Buffer.alloc(0), previous?.hash ?? Buffer.alloc(0))) {
      complain("it does not name the hash of the checkpoint before it: one of the two was changed")
    }
    if (checkpoint.keyId === null || checkpoint.signature === null) {
      count.unsigned++
      if (isSigned) complain("it is not signed, and earlier ones are")
      return
    }
    isSigned = true
    const publicKey = publicKeys.get(checkpoint.keyId)
    if (publicKey === undefined) complain(`it is signed by an unknown key, ${checkpoint.keyId}`)
    else if (!Signing.verify(publicKey, Leaf.checkpointText(checkpoint), checkpoint.signature)) {
      complain(`its signature is not that of the key ${checkpoint.keyId}`)
    }
  }

  const isLate = (row: Leaf.LogRow, checkpoint: Statements.Checkpoint): boolean => {
    const before = previous?.checkpoint
    if (before === undefined || row.recordedAt >= before.sealedAt) return false
    // Of one round: the one before had no room for it.
    const isOfRound = Date.parse(checkpoint.sealedAt) - Date.parse(before.sealedAt) < roundMillisMax
    return !isOfRound || row.recordedAt <= before.lastRecordedAt
  }

  const checkRows = Effect.fnUntraced(function* (checkpoint: Statements.Checkpoint) {
    const rows = new Map((yield* statements.rowsOf(checkpoint)).map((row) => [row.activityId, row]))
    const drop = rows.size === 0 ? entryOfDrop(checkpoint) : undefined
    if (drop !== undefined) {
      usedDrops.add(drop)
      count.dropped += checkpoint.rows
      return
    }
    const missing = checkpoint.activityIds.filter((id) => !rows.has(id))
    const strayed = new Set(
      missing.length === 0
        ? []
        : (yield* statements.strayed(tenantId, missing)).map(({ activityId }) => activityId)
    )
    const hashes = new Map<string, Uint8Array>()
    for (const row of rows.values()) hashes.set(row.activityId, Leaf.leafHash(row))
    const leaves = checkpoint.activityIds.flatMap((id) => hashes.get(id) ?? [])
    const isWhole = leaves.length === checkpoint.rows && sameBytes(Merkle.root(leaves), checkpoint.root)
    const prefixes = checkpoint.leafPrefixes
    // A root that fits proves every row of it.
    const isAsSealed = isWhole || prefixes === null ? () => true : Leaf.prefixTester(prefixes)
    const before = problems.length
    for (const id of checkpoint.activityIds) {
      const row = rows.get(id)
      const leaf = hashes.get(id)
      if (row === undefined || leaf === undefined) {
        report("row", id, checkpoint.number, strayed.has(id) ? "its time was changed" : "it was deleted")
        continue
      }
      const fault = faultOf(row, leaf) ?? (isAsSealed(leaf) ? undefined : "it was changed")
      if (fault === undefined) count.rows++
      else report("row", id, checkpoint.number, fault)
      if (row.actor === null || row.detail === null) {
        count.erased++
        erased.add(id)
      }
      for (const activityId of erasedBy(row)) namedErased.add(activityId)
      if (row.action === Drops.droppedAction && fault === undefined) intactDrops.add(id)
      if (late.length < namedMax && isLate(row, checkpoint)) {
        late.push({ activityId: id, recordedAt: row.recordedAt, checkpoint: checkpoint.number })
      }
    }
    const complain = (reason: string) =>
      report("checkpoint", String(checkpoint.number), checkpoint.number, reason)
    if (checkpoint.activityIds.length !== checkpoint.rows) {
      complain(`it names ${checkpoint.activityIds.length} rows and was sealed over ${checkpoint.rows}`)
    } else if (problems.length === before && !isWhole) {
      complain(
        "its root is not that of its rows: rows were reordered, the root was changed, or a row was changed together with what names it"
      )
    } else if (isWhole && prefixes !== null && !sameBytes(Leaf.prefixesOf(leaves), prefixes)) {
      complain("its rows are as they were sealed, and the beginnings of their hashes were changed")
    }
  })

  for (;;) {
    const page = yield* statements.checkpoints(tenantId, previous?.checkpoint.number ?? 0, checkpointsPerPage)
    for (const checkpoint of page) {
      checkChain(checkpoint)
      yield* checkRows(checkpoint)
      const hash = Merkle.textHash(Leaf.checkpointText(checkpoint))
      if (options.head?.number === checkpoint.number) {
        isHeadFound = true
        if (Leaf.hex(hash) !== options.head.hash) {
          report(
            "checkpoint",
            String(checkpoint.number),
            checkpoint.number,
            "it is not the checkpoint of the head that was kept"
          )
        }
      }
      previous = { hash, checkpoint }
      count.checkpoints++
    }
    if (page.length < checkpointsPerPage) break
  }
  if (!isHeadFound && options.head !== undefined) {
    report(
      "checkpoint",
      String(options.head.number),
      options.head.number,
      `the head that was kept is checkpoint ${options.head.number}, and the log ends with ${previous?.checkpoint.number ?? 0}: later ones were dropped`
    )
  }
  const unsealed = yield* statements.unsealed(tenantId, new Date(0), unsealedMax)
  const limit = Leaf.instantText(options.sealedBefore)
  for (const { activityId, recordedAt } of unsealed) {
    if (recordedAt < limit) {
      report(
        "row",
        activityId,
        null,
        `no checkpoint covers it, though it says ${recordedAt}: it was inserted later, or nothing seals`
      )
    }
  }
  for (const id of erased) {
    if (!namedErased.has(id)) report("row", id, null, "it was erased, and no entry of an erasure names it")
  }
  for (const id of usedDrops) {
    if (!intactDrops.has(id)) {
      report("row", id, null, "it says that rows were dropped, and no checkpoint covers it as it is")
    }
  }
  return new ActivityReport({
    tenantId,
    checkpoints: count.checkpoints,
    rows: count.rows,
    unsealed: unsealed.length,
    erased: count.erased,
    dropped: count.dropped,
    unsigned: count.unsigned,
    late,
    problems,
    head:
      previous === undefined
        ? null
        : { tenantId, number: previous.checkpoint.number, hash: Leaf.hex(previous.hash) }
  })
})

/** Rows without a checkpoint that a verification looks at: an hour of a busy tenant. */
const unsealedMax = 100_000

/** The text by which an actor's id is found in its canonical text. */
export const actorMark = (id: string): string => `"id":${Canonical.write(id)}`

/** The text with which the detail of a target ends: `targetId` is its last member. */
export const targetMark = (id: string): string => `"targetId":${Canonical.write(id)}}`
