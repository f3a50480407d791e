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
  /** Stored when the actor is erased. Rows of before migration 0012 have all three hashes. */
  readonly actorHash: Uint8Array | null
  readonly detail: string | null
  readonly detailSalt: Uint8Array | null
  readonly detailHash: Uint8Array | null
  readonly leafHash: Uint8Array | null
}

export const hex = (bytes: Uint8Array): string =>
  (Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes)).toString("hex")

/** RFC 3339 in UTC with microseconds. */
export const instantText = (at: Date): string => `${at.toISOString().slice(0, -1)}000Z`

/** The hash that is stored, else that of the text. Empty when both are gone: then the leaf is another one. */
const partHash = (stored: Uint8Array | null, salt: Uint8Array | null, text: string | null): Uint8Array =>
  stored ?? (salt === null || text === null ? Buffer.alloc(0) : Merkle.saltedHash(salt, text))

/** Canonical: the members are in order. The statement that seals has the same text in SQL. */
export const leafText = (row: LogRow): string => {
  const { action, activityId, recordedAt, targetType, tenantId } = row
  const actor = hex(partHash(row.actorHash, row.actorSalt, row.actor))
  const detail = hex(partHash(row.detailHash, row.detailSalt, row.detail))
  return `{"action":${Canonical.write(action)},"activityId":"${activityId}","actor":"${actor}","actorType":${Canonical.write(row.actorType)},"detail":"${detail}","recordedAt":"${recordedAt}","targetType":${Canonical.write(targetType)},"tenantId":${Canonical.write(tenantId)},"v":${version}}`
}

export const leafHash = (row: LogRow): Buffer => Merkle.leafHash(leafText(row))

/**
 * Bytes of a leaf's hash that its checkpoint keeps: they find the row that was changed, which the root does not. One of 400,000
 * changed rows has by chance a beginning that is among those of 10,000 leaves, and then the checkpoint alone is named.
 */
const prefixBytes = 4

const prefixOf = (hash: Uint8Array): Uint8Array => hash.subarray(0, prefixBytes)

/** The beginnings of the hashes of leaves, in their order. */
export const prefixesOf = (hashes: ReadonlyArray<Uint8Array>): Buffer => Buffer.concat(hashes.map(prefixOf))

/** Returns a test of a leaf's hash: true when its beginning is among those that were kept. */
export const prefixTester = (prefixes: Uint8Array): ((hash: Uint8Array) => boolean) => {
  const kept = new Set<string>()
  for (let at = 0; at < prefixes.length; at += prefixBytes) {
    kept.add(hex(prefixes.subarray(at, at + prefixBytes)))
  }
  return (hash) => kept.has(hex(prefixOf(hash)))
}

/** Longest `before` or `after` that is kept, in characters of JSON: longer ones are kept as their hash. */
const stateCharactersMax = 65_536

const stateMember = (name: string, text: string | undefined): string => {
  if (text === undefined) return ""
  if (text.length <= stateCharactersMax) return `"${name}":${text},`
  const sha256 = hex(Merkle.textHash(text))
  return `"${name}":${Canonical.write({ characters: text.length, omitted: true, sha256 })},`
}

/** No column holds U+0000. */
const storable = (text: string): string =>
  text.includes("\u0000") ? text.toWellFormed().replaceAll("\u0000", "\uFFFD") : text

const textMember = (name: string, text: string | undefined): string =>
  text === undefined ? "" : `"${name}":${Canonical.write(storable(text))},`

/** Canonical: the members are in order. */
export const actorText = (
  actor: {
    readonly id: string
    readonly onBehalfOf?: string | undefined
    readonly address?: string | undefined
  },
  requestId: string | undefined,
  traceId: string | undefined
): string => {
  const { address, id, onBehalfOf } = actor
  const members = `${textMember("address", address)}${textMember("id", id)}${textMember("onBehalfOf", onBehalfOf)}${textMember("requestId", requestId)}${textMember("traceId", traceId)}`
  return `{${members.slice(0, -1)}}`
}

/** Canonical: the members are in order. */
export const detailText = (
  targetId: string,
  before: Schema.Json | undefined,
  after: Schema.Json | undefined
): string => {
  const states = Canonical.writeDifferences(before, after)
  return `{${stateMember("after", states.after)}${stateMember("before", states.before)}"targetId":${Canonical.write(storable(targetId))}}`
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
