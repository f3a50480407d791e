/**
 * Turns the items of an envelope into what is stored and what is counted. Every item is one or the other.
 */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import * as CheckIn from "./checkIn.ts"
import { type Envelope, isRecord, type Item, jsonOf } from "./envelope.ts"
import { Scrubber } from "../EventScrubber.ts"
import type { GroupingRule } from "../GroupingRule.ts"
import * as JsonShape from "./jsonShape.ts"
import * as StoredEvent from "./storedEvent.ts"
import type { Count, StoredItem, Submission } from "./submission.ts"

/** Larger attachments are dropped alone. */
const attachmentBytesMax = 10 * 1024 * 1024
/** Kinds and reasons that SDKs name themselves: bounded, because they are part of a key. */
const nameLengthMax = 40
/** JSON of one envelope that is read: four events at most, where SDKs send one. What is past it is dropped alone. */
const jsonBytesMax = 4 * 1024 * 1024
/** Values of that JSON, and its levels. An event of 1 MiB has some ten thousand. */
const jsonBounds = { values: 200_000, depth: 1_000 }
/** Bytes of an attachment that are read as text: the rest is cut. */
const textBytesMax = 65_536
/** After an item of this size other work of the process has its turn. */
const pieceBytes = 65_536
/** Reports of one client in one envelope. */
const reportsMax = 100
const quantityMax = 1_000_000

export interface Context {
  readonly tenantId: string
  readonly projectId: number
  readonly receivedAtMillis: number
  readonly keepsAddresses: boolean
  readonly clientAddress: string
  readonly rules: ReadonlyArray<GroupingRule>
  /** An id for an event that came without one. */
  readonly newEventId: string
}

export interface Read {
  readonly submission: Submission
  /** The id that the answer names, without dashes. */
  readonly eventId: string
}

/** The category of an item's type, by which SDKs limit themselves. */
const categories: ReadonlyMap<string, string> = new Map([
  ["event", "error"],
  ["session", "session"],
  ["sessions", "session"],
  ["check_in", "monitor"],
  ["feedback", "feedback"],
  ["user_report", "feedback"],
  ["attachment", "attachment"],
  ["client_report", "internal"],
  ["transaction", "transaction"],
  ["span", "span"],
  ["log", "log_item"],
  ["otel_log", "log_item"],
  ["trace_metric", "trace_metric"],
  ["profile", "profile"],
  ["profile_chunk", "profile"],
  ["replay_event", "replay"],
  ["replay_recording", "replay"],
  ["replay_video", "replay"],
  ["statsd", "metric_bucket"],
  ["metric_buckets", "metric_bucket"],
  ["raw_security", "security"]
])

const bareName = (name: string): string => name.replaceAll(/[^A-Za-z0-9_.-]/g, "_").slice(0, nameLengthMax)

const categoryOf = (type: string): string => categories.get(type) ?? "unknown"

/** Sessions and logs come many to an item. */
const quantityOf = ({ header }: Item): number => {
  const count = header["item_count"]
  return typeof count === "number" && Number.isInteger(count) && count > 0 ? Math.min(count, quantityMax) : 1
}

const counted = (item: Item): Count => {
  const category = categoryOf(item.type)
  return {
    category,
    outcome: "counted",
    reason: category === "unknown" ? bareName(item.type) || "unnamed" : "",
    quantity: quantityOf(item)
  }
}

const dropped = (item: Item, reason: string): Count => ({
  category: categoryOf(item.type),
  outcome: "dropped",
  reason,
  quantity: 1
})

/** The items that the SDK discarded itself. */
const reported = (payload: unknown): ReadonlyArray<Count> => {
  const list = isRecord(payload) ? payload["discarded_events"] : undefined
  if (!Array.isArray(list)) return []
  return list.slice(0, reportsMax).flatMap((entry): ReadonlyArray<Count> => {
    if (!isRecord(entry)) return []
    const { category, quantity, reason } = entry
    if (typeof category !== "string" || typeof reason !== "string") return []
    if (typeof quantity !== "number" || !Number.isInteger(quantity) || quantity < 1) return []
    return [
      {
        category: bareName(category) || "unnamed",
        outcome: "client",
        reason: bareName(reason) || "unnamed",
        quantity: Math.min(quantity, quantityMax)
      }
    ]
  })
}

const isTextual = (item: Item): boolean => {
  const type = item.header["content_type"]
  return (
    type === undefined ||
    (typeof type === "string" && /^(?:text\/|application\/(?:json|xml|x-ndjson))/.test(type))
  )
}

/** The text of an attachment. Undefined for other bytes. */
const textOf = (item: Item): string | undefined =>
  isTextual(item) ? new TextDecoder().decode(item.payload.subarray(0, textBytesMax)) : undefined

/** Texts are scrubbed; other bytes are kept as they came. */
const attachmentOf = (
  item: Item,
  eventId: string | null,
  receivedAtMillis: number,
  scrubber: Scrubber
): StoredItem => {
  const name = item.header["filename"]
  const text = textOf(item)
  const content: Schema.Json =
    text === undefined
      ? { base64: Buffer.from(item.payload).toString("base64") }
      : { text: scrubber.text(text) }
  return {
    kind: "attachment",
    eventId,
    name: scrubber.text(typeof name === "string" ? name : "attachment").slice(0, 200),
    receivedAtMillis,
    bytes: item.payload.byteLength,
    data: StoredEvent.compress(content)
  }
}

const itemOf = (
  kind: "feedback" | "check_in",
  cleaned: Schema.Json,
  bytes: number,
  eventId: string | null,
  receivedAtMillis: number
): StoredItem => {
  const slug = isRecord(cleaned) ? cleaned["monitor_slug"] : undefined
  return {
    kind,
    eventId,
    name: typeof slug === "string" ? slug.slice(0, 200) : kind,
    receivedAtMillis,
    bytes,
    data: StoredEvent.compress(cleaned)
  }
}

const isStored = ({ type }: Item): boolean => type === "event" || type === "feedback" || type === "check_in"

/** Decodes the items, those that are stored first. One past the limits is left out. */
const decodedOf = Effect.fnUntraced(function* (items: ReadonlyArray<Item>) {
  const payloads = new Map<Item, unknown>()
  let bytes = jsonBytesMax
  let { values } = jsonBounds
  for (const item of [...items.filter(isStored), ...items.filter((other) => !isStored(other))]) {
    const { byteLength } = item.payload
    if (item.type === "attachment" || byteLength > Math.min(bytes, StoredEvent.eventBytesMax)) continue
    const found = JsonShape.valuesWithin(item.payload, { ...jsonBounds, values })
    if (found === undefined) continue
    bytes -= byteLength
    values -= found
    payloads.set(item, jsonOf(item.payload))
    if (byteLength > pieceBytes) yield* Effect.yieldNow
  }
  return payloads
})

/** Reads an envelope. Other work of the process runs between its larger items. */
export const read = Effect.fnUntraced(function* (
  envelope: Envelope,
  context: Context
): Effect.fn.Return<Read> {
  const { keepsAddresses, projectId, receivedAtMillis, tenantId } = context
  const scrubber = new Scrubber({ keepsAddresses })
  const payloads = yield* decodedOf(envelope.items)
  // A secret that one item names is looked for in all of them.
  for (const payload of payloads.values()) scrubber.collect(payload)
  scrubber.collect(envelope.header)
  for (const item of envelope.items) {
    if (item.type === "attachment" && item.payload.byteLength <= attachmentBytesMax)
      scrubber.collect(textOf(item))
  }
  const envelopeId = StoredEvent.eventIdOf(envelope.header["event_id"])
  const events: Array<StoredEvent.StoredEvent> = []
  const items: Array<StoredItem> = []
  const counts: Array<Count> = []
  const checkIns: Array<CheckIn.CheckIn> = []
  for (const item of envelope.items) {
    const payload = payloads.get(item)
    if (item.payload.byteLength > pieceBytes) yield* Effect.yieldNow
    if (item.type === "attachment") {
      if (item.payload.byteLength > attachmentBytesMax) counts.push(dropped(item, "too-large"))
      else items.push(attachmentOf(item, envelopeId ?? null, receivedAtMillis, scrubber))
      continue
    }
    if (isStored(item) && !payloads.has(item)) counts.push(dropped(item, "too-large"))
    else if (isStored(item) && !isRecord(payload)) counts.push(dropped(item, "unreadable"))
    else if (item.type === "event" && isRecord(payload)) {
      const eventId = StoredEvent.eventIdOf(payload["event_id"]) ?? envelopeId ?? context.newEventId
      const sentAtMillis = StoredEvent.millisOf(envelope.header["sent_at"])
      events.push(
        StoredEvent.make(
          payload,
          {
            tenantId,
            receivedAtMillis,
            sentAtMillis,
            eventId,
            keepsAddresses,
            clientAddress: context.clientAddress,
            rules: context.rules
          },
          scrubber
        )
      )
    } else if (item.type === "feedback" || item.type === "check_in") {
      const cleaned = scrubber.clean(payload)
      items.push(itemOf(item.type, cleaned, item.payload.byteLength, envelopeId ?? null, receivedAtMillis))
      const checkIn =
        item.type === "check_in" && isRecord(cleaned)
          ? CheckIn.make(cleaned, receivedAtMillis, randomUUID())
          : undefined
      if (checkIn !== undefined) checkIns.push(checkIn)
    } else if (item.type === "client_report") {
      counts.push(counted(item), ...reported(payload))
    } else counts.push(counted(item))
  }
  return {
    submission: { tenantId, projectId, receivedAtMillis, events, items, checkIns, counts },
    eventId: (events[0]?.eventId ?? envelopeId ?? context.newEventId).replaceAll("-", "")
  }
})
