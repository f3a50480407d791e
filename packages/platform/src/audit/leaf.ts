/**
 * The texts that are hashed. The README describes them byte by byte: a change here is a new version `v`, beside which old rows
 * stay readable.
 *
 * What may be of a person is behind a hash with a random salt: when it is erased, text and salt go, the hash stays, and the leaf
 * with it. Without the salt a guess cannot be checked.
 */
import type * as Schema from "effect/Schema"
import * as Canonical from "./canonical.ts"
import * as Merkle from "./merkle.ts"

/** The version of both formats. */
const version = 1

/** A row as statements read it. `recordedAt` has six digits of seconds. */
export interface LogRow {
  readonly tenantId: string
  readonly activityId: string
  readonly recordedAt: string
  readonly action: string
  readonly actorType: string
  readonly targetType: string
  readonly actor: string | null
  readonly actorSalt: Uint8Array | null
  readonly actorHash: Uint8Array
  readonly detail: string | null
  readonly detailSalt: Uint8Array | null
  readonly detailHash: Uint8Array
  readonly leafHash: Uint8Array
}

export const hex = (bytes: Uint8Array): string =>
  (Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes)).toString("hex")

/** RFC 3339 in UTC with microseconds. */
export const instantText = (at: Date): string => `${at.toISOString().slice(0, -1)}000Z`

/** The fields that a leaf has in the clear. */
type LeafFields = Pick<
  LogRow,
  "tenantId" | "activityId" | "recordedAt" | "action" | "actorType" | "targetType"
>

/**
 * The text of a leaf around its two hashes: before that of the actor, between the two, and behind that of the detail. The
 * statement that inserts a row puts it together, since the server makes the hashes.
 */
export const leafParts = (row: LeafFields): readonly [string, string, string] =>
  // Canonical: the members are in order. Written out, since every audited change waits for it.
  [
    `{"action":${Canonical.write(row.action)},"activityId":"${row.activityId}","actor":"`,
    `","actorType":${Canonical.write(row.actorType)},"detail":"`,
    `","recordedAt":"${row.recordedAt}","targetType":${Canonical.write(row.targetType)},"tenantId":${Canonical.write(row.tenantId)},"v":${version}}`
  ]

export const leafText = (row: LeafFields & Pick<LogRow, "actorHash" | "detailHash">): string => {
  const [before, between, behind] = leafParts(row)
  return before + hex(row.actorHash) + between + hex(row.detailHash) + behind
}

export const leafHash = (row: Parameters<typeof leafText>[0]): Buffer => Merkle.leafHash(leafText(row))

/** Longest `before` or `after` that is kept, in characters of JSON: longer ones are kept as their hash. */
const stateCharactersMax = 65_536

const stateText = (state: Schema.Json): string => {
  const text = Canonical.write(state)
  return text.length <= stateCharactersMax
    ? text
    : Canonical.write({ characters: text.length, omitted: true, sha256: hex(Merkle.textHash(text)) })
}

/** No column holds U+0000. */
const storable = (text: string): string =>
  text.includes("\u0000") ? text.toWellFormed().replaceAll("\u0000", "\uFFFD") : text

export const actorText = (actor: {
  readonly id: string
  readonly onBehalfOf?: string | undefined
  readonly address?: string | undefined
  readonly requestId?: string | undefined
  readonly traceId?: string | undefined
}): string => {
  const { address, id, onBehalfOf, requestId, traceId } = actor
  return Canonical.write({
    ...(address === undefined ? {} : { address: storable(address) }),
    id: storable(id),
    ...(onBehalfOf === undefined ? {} : { onBehalfOf: storable(onBehalfOf) }),
    ...(requestId === undefined ? {} : { requestId: storable(requestId) }),
    ...(traceId === undefined ? {} : { traceId })
  })
}

/** Canonical: the members are in order. */
export const detailText = (
  targetId: string,
  before: Schema.Json | undefined,
  after: Schema.Json | undefined
): string => {
  const states = Canonical.differences(before, after)
  const afterMember = states.after === undefined ? "" : `"after":${stateText(states.after)},`
  const beforeMember = states.before === undefined ? "" : `"before":${stateText(states.before)},`
  return `{${afterMember}${beforeMember}"targetId":${Canonical.write(storable(targetId))}}`
}

export interface CheckpointRow {
  readonly tenantId: string
  readonly number: number
  readonly previous: Uint8Array | null
  readonly root: Uint8Array
  readonly rows: number
  /** With six digits of seconds. */
  readonly sealedAt: string
  readonly keyId: string | null
}

export const checkpointText = (checkpoint: CheckpointRow): string =>
  Canonical.write({
    v: version,
    tenantId: checkpoint.tenantId,
    number: checkpoint.number,
    previous: checkpoint.previous === null ? null : hex(checkpoint.previous),
    root: hex(checkpoint.root),
    rows: checkpoint.rows,
    sealedAt: checkpoint.sealedAt,
    keyId: checkpoint.keyId
  })
