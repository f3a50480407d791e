/**
 * The envelope: CloudEvents 1.0.2.
 *
 * @since 0.1.0
 */
import * as Commerce from "@hypermarket/core/Commerce"
import { errorsOf, type InputError } from "@hypermarket/core/InputErrors"
import { Instant } from "@hypermarket/core/Instant"
import * as Json from "@hypermarket/core/Json"
import { now } from "@hypermarket/core/Now"
import * as Reserved from "@hypermarket/core/Reserved"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { EventInvalid } from "./EventInvalid.ts"
import * as Attributes from "./internal/eventAttributes.ts"
import { canonical } from "./internal/jsonText.ts"

/**
 * The largest event, in bytes of its JSON.
 *
 * @category limits
 * @since 0.1.0
 */
export const eventBytesMax = 256 * 1024

/**
 * The most events of one batch.
 *
 * @category limits
 * @since 0.1.0
 */
export const batchMax = Attributes.batchMax

/**
 * Maximum extension attributes of an event.
 *
 * @category limits
 * @since 0.1.0
 */
export const extensionsMax = Attributes.extensionsMax

/**
 * A `traceparent` of W3C Trace Context that can be read.
 *
 * @category schemas
 * @since 0.1.0
 */
export const traceparentPattern = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

/**
 * An event as it is published. `source` and `id` name it; `time` is when it happened. In a program its extension attributes
 * are under `extensions`; on the wire they are members beside the others. An event has `data` or `data_base64`, not both.
 *
 * @category models
 * @since 0.1.0
 */
export const CloudEvent = Schema.Struct({
  specversion: Schema.Literal("1.0"),
  id: Attributes.ShortText.pipe(
    Schema.annotateKey({
      messageMissingKey: 'Expected an id, which makes it safe to send the event again: order.id + ":placed"'
    })
  ),
  source: Attributes.UriText,
  type: Attributes.ShortText,
  subject: Schema.optionalKey(Attributes.ShortText),
  time: Schema.optionalKey(Instant),
  datacontenttype: Schema.optionalKey(
    Attributes.ShortText.check(
      Schema.isPattern(Attributes.mediaTypePattern, {
        message: "Expected a media type, such as application/json"
      })
    )
  ),
  dataschema: Schema.optionalKey(Attributes.UriText),
  traceparent: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(traceparentPattern, { message: "Expected a traceparent of W3C Trace Context" })
    )
  ),
  extensions: Schema.optionalKey(Attributes.Extensions),
  data: Schema.optionalKey(Json.make({})),
  data_base64: Schema.optionalKey(
    Schema.String.check(
      Schema.isMaxLength(eventBytesMax),
      Schema.isPattern(Attributes.base64Pattern, { message: "Expected base64 with padding" })
    )
  )
})

/**
 * @category models
 * @since 0.1.0
 */
export type CloudEvent = typeof CloudEvent.Type

/**
 * An event as a program gives it: {@link CloudEvent}, whose `specversion` is 1.0 and whose `source` is `/` when they are
 * left out.
 *
 * @category models
 * @since 0.1.0
 */
export const Publication = Schema.Struct({
  ...CloudEvent.fields,
  specversion: Schema.optionalKey(CloudEvent.fields.specversion),
  source: Schema.optionalKey(CloudEvent.fields.source)
})

/**
 * @category models
 * @since 0.1.0
 */
export type Publication = typeof Publication.Type

/**
 * The events of one call.
 *
 * @category models
 * @since 0.1.0
 */
export const Publications = Schema.Array(Publication).check(Schema.isMaxLength(batchMax))

const defaults = { specversion: "1.0", source: "/" } as const

/**
 * Returns the event with the attributes that a publication may leave out.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromPublication = (publication: Publication): CloudEvent =>
  // An event that was checked already is known by its identity.
  isComplete(publication) ? publication : { ...defaults, ...publication }

const isComplete = (publication: Publication): publication is CloudEvent =>
  publication.source !== undefined && publication.specversion !== undefined

/**
 * The wire form.
 *
 * @category models
 * @since 0.1.0
 */
export type Encoded = typeof CloudEvent.Encoded

export { EventInvalid }

/** Moves the extensions of the structured mode under `extensions`, where a program has them. */
const gathered = (input: object): object => {
  const event: Record<string, unknown> = {}
  const extensions: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(input)) {
    if (Attributes.members.has(name)) event[name] = value
    else extensions[name] = value
  }
  return Object.keys(extensions).length === 0 ? event : { ...event, extensions }
}

const isRecord = (input: unknown): input is object =>
  typeof input === "object" && input !== null && !Array.isArray(input)

const parseOptions = { onExcessProperty: "error", errors: "all" } as const
const decode = Schema.decodeUnknownEffect(CloudEvent, parseOptions)
const validate = Schema.decodeUnknownEffect(Schema.toType(CloudEvent), parseOptions)

/**
 * The refusal of an event of a batch, at a path in it.
 *
 * @category errors
 * @since 0.1.0
 */
export const invalid = (index: number, path: ReadonlyArray<string | number>, message: string) =>
  new EventInvalid({ errors: [{ path: [index, ...path], message }] })

/**
 * The text of `data` of the events that were checked, as it came: a JavaScript number would lose digits of it. An event
 * without data has none.
 */
const texts = new WeakMap<CloudEvent, string | undefined>()

/** Refuses the names of the installation: its domains alone publish them, through `Outbox`. */
const reservedIssue = (event: CloudEvent, index: number): EventInvalid | undefined => {
  if (Reserved.isTypeReserved(event.type)) {
    return invalid(index, ["type"], `Expected none of com.hypermarket.* but ${Commerce.types.join(", ")}`)
  }
  return Reserved.isSourceReserved(event.source)
    ? invalid(index, ["source"], "Expected none of /hypermarket/*: it is reserved")
    : undefined
}

const checkData = Effect.fnUntraced(function* (
  event: CloudEvent,
  index: number,
  text: string | undefined
): Effect.fn.Return<void, EventInvalid> {
  if (event.data !== undefined && event.data_base64 !== undefined) {
    return yield* invalid(index, ["data_base64"], "Expected data or data_base64, not both")
  }
  const isFact = Commerce.schemaOf(event.type) !== undefined
  const bytesMax = isFact ? Commerce.factBytesMax : eventBytesMax
  // At most three bytes of UTF-8 a character: measure only what could be too large.
  if (text !== undefined && text.length * 3 > bytesMax && Json.bytesOf(text) > bytesMax) {
    return yield* invalid(index, ["data"], `Expected at most ${bytesMax} bytes`)
  }
  if (isFact) {
    yield* Effect.mapError(
      Commerce.check(event.type, event.data, yield* now),
      ({ errors }) =>
        new EventInvalid({
          errors: errors.map(({ message, path }) => ({ path: [index, "data", ...path], message }))
        })
    )
  }
  texts.set(event, text)
})

/**
 * Checks one event as it came from outside: its envelope, its names, its size, and its data when it is a fact of the
 * shop. `text` is the text of its `data`.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = Effect.fnUntraced(function* (
  input: unknown,
  index: number,
  text?: string
): Effect.fn.Return<CloudEvent, EventInvalid> {
  const event = yield* Effect.mapError(
    decode(isRecord(input) ? gathered({ ...defaults, ...input }) : input),
    (error) => new EventInvalid({ errors: errorsOf(error, [index]).map(withoutExtensions) })
  )
  const reserved = reservedIssue(event, index)
  if (reserved !== undefined) return yield* reserved
  yield* checkData(event, index, text ?? textOf(event))
  return event
})

/** On the wire an extension is a member of the event. */
const withoutExtensions = ({ message, path }: InputError): InputError => ({
  message,
  path: path[1] === "extensions" && path.length > 2 ? [...path.slice(0, 1), ...path.slice(2)] : path
})

const textOf = (event: CloudEvent): string | undefined =>
  event.data === undefined ? undefined : JSON.stringify(event.data)

/**
 * Checks an event of this process by the same rules as {@link parse}, once. A domain's own event may have a reserved type
 * and source.
 *
 * @category decoding
 * @since 0.1.0
 */
export const check = Effect.fnUntraced(function* (
  event: CloudEvent,
  index: number,
  publisher: "tenant" | "domain"
): Effect.fn.Return<void, EventInvalid> {
  if (!texts.has(event)) {
    yield* Effect.mapError(validate(event), (error) => new EventInvalid({ errors: errorsOf(error, [index]) }))
    yield* checkData(event, index, textOf(event))
  }
  const reserved = publisher === "tenant" ? reservedIssue(event, index) : undefined
  if (reserved !== undefined) return yield* reserved
})

const attributesOf = (event: CloudEvent) => ({
  specversion: event.specversion,
  id: event.id,
  source: event.source,
  type: event.type,
  subject: event.subject,
  time: event.time === undefined ? undefined : DateTime.formatIso(event.time),
  datacontenttype: event.datacontenttype,
  dataschema: event.dataschema,
  traceparent: event.traceparent,
  ...event.extensions,
  data_base64: event.data_base64
})

const withData = (attributes: string, data: string | undefined): string =>
  data === undefined ? attributes : `${attributes.slice(0, -1)},"data":${data}}`

/**
 * The attributes by name, as text: for filters.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toAttributes = (event: CloudEvent): { readonly [attribute: string]: string } => {
  const attributes: Record<string, string> = {}
  for (const [name, value] of Object.entries(attributesOf(event))) {
    if (value !== undefined && name !== "data_base64") attributes[name] = String(value)
  }
  return attributes
}

const dataOf = (event: CloudEvent): string | undefined => texts.get(event) ?? textOf(event)

/**
 * The structured mode's text, attributes in a fixed order, `data` as it came. By hand, because publishing a batch through
 * the schema's encoder takes longer than its statements.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toJson = (event: CloudEvent): string =>
  withData(JSON.stringify(attributesOf(event)), dataOf(event))

const charsetPattern = /;\s*charset\s*=\s*"?([^\s;"]+)"?/i
const charsets: ReadonlySet<string> = new Set(["utf-8", "utf8", "us-ascii"])

/**
 * A content type as the formats of CloudEvents read it.
 *
 * @category decoding
 * @since 0.1.0
 */
export const mediaTypeOf = (
  contentType: string
): {
  /** In lower case, without parameters. */
  readonly mediaType: string
  /** True for JSON by the JSON format, 3.1: the subtype is `json` or ends with `+json`. */
  readonly isJson: boolean
  /** False for a charset that is not a part of UTF-8. */
  readonly isUtf8: boolean
} => {
  const mediaType = contentType.split(";")[0]?.trim().toLowerCase() ?? ""
  const charset = charsetPattern.exec(contentType)?.[1]?.toLowerCase()
  return {
    mediaType,
    isJson: /[/+]json$/.test(mediaType),
    isUtf8: charset === undefined || charsets.has(charset)
  }
}

/** The default: binary mode always has a content type, and structured mode leaves this one out. */
const isDefaultType = (contentType: string): boolean => {
  const { isUtf8, mediaType } = mediaTypeOf(contentType)
  return mediaType === "application/json" && isUtf8
}

/** Text that is no JSON is a string in structured mode, and its bytes in binary mode: both are its bytes here. */
const base64Of = ({ data, data_base64, datacontenttype }: CloudEvent): string | undefined => {
  if (typeof data !== "string" || datacontenttype === undefined) return data_base64
  const { isJson, isUtf8 } = mediaTypeOf(datacontenttype)
  return isJson || !isUtf8 ? data_base64 : Buffer.from(data).toString("base64")
}

/**
 * A text that two publications of one event have in common, whichever program wrote their JSON and in whichever content mode.
 * Order of names, space and the notation of a number do not matter, each digit of it does. Without `traceparent`, which
 * differs with each try, and without the default `datacontenttype`.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toCanonical = (event: CloudEvent): string => {
  const base64 = base64Of(event)
  const data = base64 === undefined ? dataOf(event) : undefined
  const { datacontenttype, extensions = {} } = event
  const attributes = {
    ...attributesOf({ ...event, extensions: {} }),
    datacontenttype:
      datacontenttype === undefined || isDefaultType(datacontenttype) ? undefined : datacontenttype,
    data_base64: base64,
    traceparent: undefined,
    // In binary mode every value is text.
    ...Object.fromEntries(
      Object.entries(extensions)
        .map(([name, value]) => [name, String(value)] as const)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
    )
  }
  return withData(JSON.stringify(attributes), data === undefined ? undefined : canonical(data))
}
