/**
 * The JSON of events and submissions that wait outside the process: in the spool, and until a worker translates them.
 */
import * as Schema from "effect/Schema"
import { parseJson } from "./envelope.ts"
import * as MonitorSchedule from "./monitorSchedule.ts"
import type { StoredEvent } from "./storedEvent.ts"
import type { Submission } from "./submission.ts"

const Nullable = Schema.NullOr(Schema.String)

const eventFields = {
  eventId: Schema.String,
  receivedAtMillis: Schema.Finite,
  occurredAtMillis: Schema.Finite,
  isSkewed: Schema.Boolean,
  kind: Schema.Literals(["exception", "message"]),
  level: Schema.Literals(["debug", "info", "warning", "error", "fatal"]),
  title: Schema.String,
  culprit: Nullable,
  release: Nullable,
  environment: Nullable,
  userKey: Nullable,
  traceId: Nullable,
  tags: Schema.Array(Schema.Tuple([Schema.String, Schema.String])),
  hashes: Schema.Array(Schema.String),
  /** Absent in files of releases that had one version of the rules of grouping. */
  formerHashes: Schema.optionalKey(Schema.Array(Schema.String)),
  /** Absent in files of releases that did not read source maps. */
  debugIds: Schema.optionalKey(Schema.Array(Schema.String))
}

const Data = Schema.Struct({ base64: Schema.String })

const Record = Schema.Struct({
  tenantId: Schema.String,
  projectId: Schema.Int,
  receivedAtMillis: Schema.Finite,
  events: Schema.Array(Schema.Struct({ ...eventFields, data: Data })),
  items: Schema.Array(
    Schema.Struct({
      kind: Schema.Literals(["feedback", "check_in", "attachment"]),
      eventId: Nullable,
      name: Schema.String,
      receivedAtMillis: Schema.Finite,
      bytes: Schema.Int,
      data: Data
    })
  ),
  checkIns: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        checkInId: Schema.String,
        slug: Schema.String,
        environment: Schema.String,
        status: Schema.Literals(["running", "ok", "error"]),
        durationMillis: Schema.NullOr(Schema.Finite),
        receivedAtMillis: Schema.Finite,
        schedule: Schema.NullOr(MonitorSchedule.Schedule)
      })
    )
  ),
  counts: Schema.Array(
    Schema.Struct({
      category: Schema.String,
      outcome: Schema.Literals(["stored", "counted", "dropped", "client"]),
      reason: Schema.String,
      quantity: Schema.Int
    })
  )
})
const decodeRecord = Schema.decodeUnknownSync(Record)
const EventFields = Schema.Struct(eventFields)
const decodeEventFields = Schema.decodeUnknownSync(EventFields)

const eventOf = (fields: typeof EventFields.Type, data: Uint8Array): StoredEvent => ({
  ...fields,
  formerHashes: fields.formerHashes ?? [],
  debugIds: fields.debugIds ?? [],
  data
})

const bytesOf = ({ base64 }: typeof Data.Type): Uint8Array => new Uint8Array(Buffer.from(base64, "base64"))

export const encode = (submission: Submission): Buffer =>
  Buffer.from(
    JSON.stringify(submission, (_, value: unknown) =>
      value instanceof Uint8Array ? { base64: Buffer.from(value).toString("base64") } : value
    )
  )

export const decode = (json: Uint8Array): Submission => {
  const record = decodeRecord(parseJson(Buffer.from(json).toString("utf8")))
  return {
    ...record,
    events: record.events.map(({ data, ...fields }) => eventOf(fields, bytesOf(data))),
    items: record.items.map((item) => ({ ...item, data: bytesOf(item.data) }))
  }
}

/** The JSON of an event without its data, which has a separate column. */
export const encodeEvent = (event: StoredEvent): string => JSON.stringify({ ...event, data: undefined })

export const decodeEvent = (event: unknown, data: Uint8Array): StoredEvent =>
  eventOf(decodeEventFields(event), data)
