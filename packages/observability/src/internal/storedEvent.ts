/**
 * An event as it is stored: read leniently from what an SDK sent, scrubbed, within bounds, with its hashes.
 */
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import { zstdCompressSync, zstdDecompressSync } from "node:zlib"
import { isRecord } from "./envelope.ts"
import * as Grouping from "../EventGrouping.ts"
import type { Exception, Frame, Groupable } from "../EventGrouping.ts"
import type { GroupingRule } from "../GroupingRule.ts"
import { Scrubber } from "../EventScrubber.ts"
import type { SourceMap } from "./sourceMapFile.ts"
import * as SourceMaps from "./sourceMaps.ts"

/** An event's JSON, as Sentry bounds it. */
export const eventBytesMax = 1_048_576
const tagsMax = 100
const tagLengthMax = 200
const titleLengthMax = 300
const releaseLengthMax = 200
const framesMax = 250
const exceptionsMax = 50
const breadcrumbsMax = 100
const fingerprintMax = 20
/** A clock that is wrong by more marks its events. */
const skewMillisMax = 24 * 60 * 60 * 1000

export type Level = "debug" | "info" | "warning" | "error" | "fatal"

export interface StoredEvent {
  /** In the form of a UUID. */
  readonly eventId: string
  readonly receivedAtMillis: number
  readonly occurredAtMillis: number
  readonly isSkewed: boolean
  readonly kind: "exception" | "message"
  readonly level: Level
  readonly title: string
  readonly culprit: string | null
  readonly release: string | null
  readonly environment: string | null
  readonly userKey: string | null
  readonly traceId: string | null
  readonly tags: ReadonlyArray<readonly [string, string]>
  readonly hashes: ReadonlyArray<string>
  /** Hashes by former versions of the rules of grouping, under which the event's issue may be known. */
  readonly formerHashes: ReadonlyArray<string>
  /** Of the scripts whose frames are not translated. */
  readonly debugIds: ReadonlyArray<string>
  /** Compressed with zstd. */
  readonly data: Uint8Array
}

type Fields = Readonly<Record<string, unknown>>

type JsonFields = Readonly<Record<string, Schema.Json>>

const fieldsOf = (value: unknown): Fields => (isRecord(value) ? value : {})

const jsonFieldsOf = (value: Schema.Json): JsonFields => (isRecord(value) ? value : {})

const textOf = (value: unknown): string | undefined =>
  typeof value === "string" ? value : typeof value === "number" ? String(value) : undefined

const shortOf = (value: unknown, lengthMax: number): string | null => {
  const text = textOf(value)?.trim()
  return text === undefined || text === "" ? null : text.slice(0, lengthMax).toWellFormed()
}

/** A list, or the `values` of an object, as older SDKs send it. */
const listOf = (value: unknown): ReadonlyArray<unknown> => {
  const list = isRecord(value) ? value["values"] : value
  return Array.isArray(list) ? list : []
}

const idPattern = /^[0-9a-f]{32}$/

/** Returns the id in the form of a UUID; undefined for one that is none. */
export const eventIdOf = (value: unknown): string | undefined => {
  const hex = typeof value === "string" ? value.toLowerCase().replaceAll("-", "") : ""
  return idPattern.test(hex)
    ? `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
    : undefined
}

/** Milliseconds of a time in seconds or in RFC 3339; without an offset it is UTC. */
export const millisOf = (value: unknown): number | undefined => {
  if (typeof value === "number" && Number.isFinite(value)) {
    const millis = Math.round(value * 1000)
    return Math.abs(millis) <= 8.64e15 ? millis : undefined
  }
  if (typeof value !== "string" || value.length > 64) return undefined
  const millis = Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/i.test(value) ? value : `${value}Z`)
  return Number.isNaN(millis) ? undefined : millis
}

const frameOf = (value: unknown): Frame => {
  const frame = fieldsOf(value)
  return {
    function: textOf(frame["function"]),
    filename: textOf(frame["filename"]),
    absPath: textOf(frame["abs_path"]),
    module: textOf(frame["module"]),
    contextLine: textOf(frame["context_line"]),
    inApp: frame["in_app"] === true
  }
}

/** The ends of a stack say more than its middle. */
const bounded = <A>(list: ReadonlyArray<A>, max: number): ReadonlyArray<A> =>
  list.length <= max ? list : [...list.slice(0, max / 2), ...list.slice(-max / 2)]

const framesOf = (stack: unknown): ReadonlyArray<Frame> => {
  const { frames } = fieldsOf(stack)
  return Array.isArray(frames) ? bounded(frames, framesMax).map(frameOf) : []
}

const exceptionOf = (value: unknown): Exception => {
  const exception = fieldsOf(value)
  return {
    type: textOf(exception["type"]) ?? "Error",
    value: textOf(exception["value"]) ?? "",
    frames: framesOf(exception["stacktrace"]),
    isSynthetic:
      textOf(exception["type"]) === undefined || fieldsOf(exception["mechanism"])["synthetic"] === true
  }
}

const messageOf = (event: Fields): { readonly message: string; readonly template: string | undefined } => {
  const entry = event["logentry"] ?? event["message"]
  if (typeof entry === "string") return { message: entry, template: undefined }
  const { formatted, message } = fieldsOf(entry)
  const template = textOf(message)
  return { message: textOf(formatted) ?? template ?? "", template }
}

const groupedOf = (event: Fields): Groupable => {
  const threads = listOf(event["threads"]).map(fieldsOf)
  const crashed = threads.find((thread) => thread["crashed"] === true) ?? threads[0]
  const fingerprint = event["fingerprint"]
  return {
    exceptions: listOf(event["exception"]).slice(-exceptionsMax).map(exceptionOf),
    frames: framesOf(event["stacktrace"] ?? crashed?.["stacktrace"]),
    ...messageOf(event),
    fingerprint: Array.isArray(fingerprint)
      ? fingerprint.slice(0, fingerprintMax).flatMap((part) => textOf(part) ?? [])
      : []
  }
}

const levels: ReadonlyMap<string, Level> = new Map([
  ["debug", "debug"],
  ["info", "info"],
  ["log", "info"],
  ["warning", "warning"],
  ["warn", "warning"],
  ["error", "error"],
  ["fatal", "fatal"],
  ["critical", "fatal"]
])

const firstLine = (text: string): string => (text.split("\n", 1)[0] ?? "").trim()

const titleOf = ({ exceptions, message }: Groupable): string => {
  const exception = exceptions.at(-1)
  const title =
    exception === undefined
      ? firstLine(message) || "Event without a message"
      : exception.value === ""
        ? exception.type
        : exception.isSynthetic
          ? firstLine(exception.value)
          : `${exception.type}: ${firstLine(exception.value)}`
  return title.slice(0, titleLengthMax).toWellFormed()
}

const culpritOf = (event: Fields, grouped: Groupable): string | null => {
  const frames = grouped.exceptions.at(-1)?.frames ?? grouped.frames
  const top = frames.findLast(({ inApp }) => inApp) ?? frames.at(-1)
  const place = top?.filename ?? top?.module
  const name = top?.function
  const culprit =
    place === undefined ? textOf(event["transaction"]) : name === undefined ? place : `${name} (${place})`
  return shortOf(culprit, titleLengthMax)
}

const tagsOf = (event: Fields): ReadonlyArray<readonly [string, string]> => {
  const { tags } = event
  const entries: ReadonlyArray<readonly [unknown, unknown]> = Array.isArray(tags)
    ? tags.flatMap((tag) => (Array.isArray(tag) && tag.length === 2 ? [[tag[0], tag[1]]] : []))
    : Object.entries(fieldsOf(tags))
  const result = new Map<string, string>()
  for (const [name, value] of entries) {
    const text = typeof value === "boolean" ? String(value) : textOf(value)
    const key = textOf(name)?.trim().slice(0, tagLengthMax).toWellFormed() ?? ""
    if (key === "" || text === undefined || result.size >= tagsMax) continue
    result.set(key, text.slice(0, tagLengthMax).toWellFormed())
  }
  return Array.from(result)
}

/** The hash by which the events of a user are found for erasure. */
export const userKeyOf = (tenantId: string, identifier: string): string =>
  createHash("sha256")
    .update(JSON.stringify(["observability.user", tenantId, identifier]))
    .digest("hex")
    .slice(0, 32)

/** Counted by the first of its identifiers that the user has. */
const userOf = (event: Fields): string | undefined => {
  const user = fieldsOf(event["user"])
  for (const name of ["id", "email", "username", "ip_address"]) {
    const text = textOf(user[name])
    if (text !== undefined && text !== "" && text !== "{{auto}}") return text
  }
  return undefined
}

export interface Context {
  readonly tenantId: string
  readonly receivedAtMillis: number
  /** From the envelope's header: the difference to the receipt corrects the client's clock. */
  readonly sentAtMillis: number | undefined
  readonly eventId: string
  readonly keepsAddresses: boolean
  readonly clientAddress: string
  /** Those of the project. */
  readonly rules: ReadonlyArray<GroupingRule>
}

/** Breadcrumbs of a long session fill an event: the last ones led to the error. */
const trimmed = (event: Fields): Fields => {
  const breadcrumbs = listOf(event["breadcrumbs"])
  return breadcrumbs.length === 0 ? event : { ...event, breadcrumbs: breadcrumbs.slice(-breadcrumbsMax) }
}

const withAddress = (event: Fields, address: string): Fields => {
  const user = fieldsOf(event["user"])
  return user["ip_address"] === "{{auto}}" ? { ...event, user: { ...user, ip_address: address } } : event
}

const encoder = new TextEncoder()

/** A JSON text of a walked value. */
export const compress = (value: Schema.Json): Uint8Array =>
  new Uint8Array(zstdCompressSync(encoder.encode(JSON.stringify(value))))

const decodeStored = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json))
)

/** The JSON of a stored event. */
const expand = (data: Uint8Array): JsonFields => decodeStored(zstdDecompressSync(data).toString("utf8"))

/** Makes the stored form of an event. The scrubber has collected the secrets of all items of its envelope. */
export const make = (sent: Fields, context: Context, scrubber: Scrubber): StoredEvent => {
  const { eventId, keepsAddresses, receivedAtMillis, rules, sentAtMillis, tenantId } = context
  const event = trimmed(keepsAddresses ? withAddress(sent, context.clientAddress) : sent)
  const json = scrubber.clean(event)
  const cleaned: JsonFields = jsonFieldsOf(json)
  const grouped = groupedOf(cleaned)
  const driftMillis = sentAtMillis === undefined ? 0 : receivedAtMillis - sentAtMillis
  const claimedMillis = millisOf(event["timestamp"]) ?? receivedAtMillis - driftMillis
  const correctedMillis = claimedMillis + driftMillis
  const isSkewed =
    Math.abs(driftMillis) > skewMillisMax || Math.abs(receivedAtMillis - correctedMillis) > skewMillisMax
  const user = userOf(event)
  const trace = textOf(fieldsOf(fieldsOf(event["contexts"])["trace"])["trace_id"]) ?? ""
  return {
    eventId,
    receivedAtMillis,
    // An event of the future was not seen: it happened at the latest when it came.
    occurredAtMillis:
      correctedMillis > receivedAtMillis || correctedMillis < receivedAtMillis - 30 * skewMillisMax
        ? receivedAtMillis
        : correctedMillis,
    isSkewed,
    kind: grouped.exceptions.some(({ isSynthetic }) => !isSynthetic) ? "exception" : "message",
    level: levels.get(textOf(event["level"]) ?? "error") ?? "error",
    title: titleOf(grouped),
    culprit: culpritOf(cleaned, grouped),
    release: shortOf(cleaned["release"], releaseLengthMax),
    environment: shortOf(cleaned["environment"], releaseLengthMax),
    userKey: user === undefined ? null : userKeyOf(tenantId, user),
    traceId: idPattern.test(trace) ? trace : null,
    tags: tagsOf(cleaned),
    hashes: Grouping.hashesOf(grouped, rules),
    formerHashes: Grouping.formerHashesOf(grouped, rules),
    debugIds: SourceMaps.wantedOf(cleaned),
    data: compress(json)
  }
}

/** The parts of an event that follow from its frames. */
export type Translation = Pick<
  StoredEvent,
  "title" | "culprit" | "hashes" | "formerHashes" | "debugIds" | "data"
>

/** Translates the frames of a stored event. */
export const translate = (
  data: Uint8Array,
  sourceMapOf: (debugId: string) => SourceMap | undefined,
  rules: ReadonlyArray<GroupingRule>
): Translation => {
  // Addresses were removed before, or are kept.
  const scrubber = new Scrubber({ keepsAddresses: true })
  const json = SourceMaps.translate(expand(data), sourceMapOf, (text) => scrubber.text(text))
  const grouped = groupedOf(json)
  return {
    title: titleOf(grouped),
    culprit: culpritOf(json, grouped),
    hashes: Grouping.hashesOf(grouped, rules),
    formerHashes: Grouping.formerHashesOf(grouped, rules),
    debugIds: SourceMaps.wantedOf(json),
    data: compress(json)
  }
}
