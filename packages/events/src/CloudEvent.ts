/**
 * The envelope: CloudEvents 1.0.2, in its three HTTP content modes (HTTP protocol binding 1.0.2).
 *
 * @since 0.1.0
 */
import * as Commerce from "@hypermarket/core/Commerce"
import { errorsOf, type InputError } from "@hypermarket/core/InputErrors"
import { Instant } from "@hypermarket/core/Instant"
import * as Json from "@hypermarket/core/Json"
import { now } from "@hypermarket/core/Now"
import * as Reserved from "@hypermarket/core/Reserved"
import * as Text from "@hypermarket/core/Text"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { EventInvalid } from "./EventInvalid.ts"
import { canonical, elementsOf, memberOf } from "./internal/jsonText.ts"

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
export const batchMax = 1_000

/**
 * Maximum extension attributes of an event.
 *
 * @category limits
 * @since 0.1.0
 */
export const extensionsMax = 20

const traceparentPattern = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

/** RFC 9110, 8.3: type, subtype and parameters, in visible characters and spaces. */
const mediaTypePattern = /^[!-.0-~]+\/[ -~]+$/

/** RFC 4648, 4, with padding. */
const base64Pattern = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

const standardAttributes = [
  "specversion",
  "id",
  "source",
  "type",
  "subject",
  "time",
  "datacontenttype",
  "dataschema",
  "traceparent"
] as const

/** Members of the structured mode that are no extensions. */
const members: ReadonlySet<string> = new Set([...standardAttributes, "data", "data_base64"])

/** `extensions` would hide the field that holds them in a program. */
const reservedExtensions: ReadonlySet<string> = new Set([...members, "extensions"])

const extensionPattern = /^[a-z0-9]{1,20}$/

const extensionMessage =
  "Expected the name of an extension: 1 to 20 of a-z and 0-9, and no attribute of CloudEvents"

const ExtensionName = Schema.String.check(
  Schema.makeFilter((name: string) =>
    extensionPattern.test(name) && !reservedExtensions.has(name) ? undefined : extensionMessage
  )
)

/** CloudEvents 1.0.2, JSON format, 2.2: an integer has 32 bits. */
const ExtensionValue = Schema.Union([
  Text.make({ min: 0, max: 500 }),
  Schema.Boolean,
  Schema.Int.check(Schema.isBetween({ minimum: -(2 ** 31), maximum: 2 ** 31 - 1 }))
])

const Extensions = Schema.Record(ExtensionName, ExtensionValue).check(
  Schema.makeFilter((extensions) =>
    Object.keys(extensions).length > extensionsMax
      ? `Expected at most ${extensionsMax} extensions`
      : undefined
  )
)

/**
 * An event as it is published. `source` and `id` name it; `time` is when it happened. In a program its extension attributes
 * are under `extensions`; on the wire they are members beside the others. An event has `data` or `data_base64`, not both.
 *
 * @category models
 * @since 0.1.0
 */
export const CloudEvent = Schema.Struct({
  specversion: Schema.Literal("1.0"),
  id: Text.make({ max: 200 }).pipe(
    Schema.annotateKey({
      messageMissingKey: 'Expected an id, which makes it safe to send the event again: order.id + ":placed"'
    })
  ),
  source: Text.make({ max: 500 }),
  type: Text.make({ max: 200 }),
  subject: Schema.optionalKey(Text.make({ max: 200 })),
  time: Schema.optionalKey(Instant),
  datacontenttype: Schema.optionalKey(
    Text.make({ max: 200 }).check(
      Schema.isPattern(mediaTypePattern, { message: "Expected a media type, such as application/json" })
    )
  ),
  dataschema: Schema.optionalKey(Text.make({ max: 500 })),
  traceparent: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(traceparentPattern, { message: "Expected a traceparent of W3C Trace Context" })
    )
  ),
  extensions: Schema.optionalKey(Extensions),
  data: Schema.optionalKey(Json.make({})),
  data_base64: Schema.optionalKey(
    Schema.String.check(
      Schema.isMaxLength(eventBytesMax),
      Schema.isPattern(base64Pattern, { message: "Expected base64 with padding" })
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
    if (members.has(name)) event[name] = value
    else extensions[name] = value
  }
  return Object.keys(extensions).length === 0 ? event : { ...event, extensions }
}

const isRecord = (input: unknown): input is object =>
  typeof input === "object" && input !== null && !Array.isArray(input)

const parseOptions = { onExcessProperty: "error", errors: "all" } as const
const decode = Schema.decodeUnknownEffect(CloudEvent, parseOptions)
const validate = Schema.decodeUnknownEffect(Schema.toType(CloudEvent), parseOptions)

const invalid = (index: number, path: ReadonlyArray<string | number>, message: string) =>
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

/**
 * A text that two publications of one event have in common, whichever program wrote their JSON: order of names, space and the
 * notation of a number do not matter, each digit of it does. Without `traceparent`, which differs with each try, and
 * without the default `datacontenttype`.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toCanonical = (event: CloudEvent): string => {
  const data = dataOf(event)
  const { datacontenttype, extensions = {} } = event
  const attributes = {
    ...attributesOf({ ...event, extensions: {} }),
    datacontenttype: datacontenttype === "application/json" ? undefined : datacontenttype,
    traceparent: undefined,
    ...Object.fromEntries(Object.entries(extensions).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  }
  return withData(JSON.stringify(attributes), data === undefined ? undefined : canonical(data))
}

const json = (text: string): Result.Result<unknown, EventInvalid> =>
  Result.try({
    try: (): unknown => JSON.parse(text),
    catch: () => invalid(0, [], "Expected JSON")
  })

const headerPrefix = "ce-"

/** The body and its content type are no headers with the prefix. */
const noHeaders: ReadonlySet<string> = new Set(["data", "data_base64", "datacontenttype", "traceparent"])

/** In binary mode attributes are headers, percent-encoded (HTTP protocol binding, 3.1.3.2). */
const fromHeaders = (
  headers: Readonly<Record<string, string | undefined>>,
  data: unknown
): Record<string, unknown> => {
  const event: Record<string, unknown> = { data }
  for (const [header, value] of Object.entries(headers)) {
    const name = header.slice(headerPrefix.length)
    if (value === undefined || !header.startsWith(headerPrefix) || noHeaders.has(name)) continue
    event[name] = decodePercent(value)
  }
  // The extension's own header, else the trace of the request; W3C Trace Context: ignore what cannot be read.
  const traceparent = headers["ce-traceparent"] ?? headers.traceparent
  if (traceparent !== undefined && traceparentPattern.test(traceparent)) event.traceparent = traceparent
  return event
}

const decodePercent = (value: string): string =>
  Result.getOrElse(
    Result.try(() => decodeURIComponent(value)),
    () => value
  )

/**
 * The content types that {@link fromRequest} reads.
 *
 * @category constants
 * @since 0.1.0
 */
export const contentTypes = [
  "application/cloudevents+json",
  "application/cloudevents-batch+json",
  "application/json"
] as const

/**
 * Reads the events of an HTTP request: structured, batch, or binary (`application/json` with `ce-` headers).
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromRequest = Effect.fnUntraced(function* (
  contentType: (typeof contentTypes)[number],
  headers: Readonly<Record<string, string | undefined>>,
  body: string
): Effect.fn.Return<ReadonlyArray<CloudEvent>, EventInvalid> {
  const text = body.trim() === "" ? "null" : body
  const value = yield* Effect.fromResult(json(text))
  switch (contentType) {
    case "application/cloudevents+json":
      return [yield* parse(value, 0, dataTextOf(value, text))]
    case "application/json":
      return [yield* parse(fromHeaders(headers, value), 0, text)]
    case "application/cloudevents-batch+json": {
      if (!Array.isArray(value)) return yield* invalid(0, [], "Expected an array of events")
      const inputs: ReadonlyArray<unknown> = value
      if (inputs.length > batchMax) return yield* invalid(batchMax, [], `Expected at most ${batchMax} events`)
      const elements = elementsOf(text)
      return yield* Effect.forEach(inputs, (input, index) =>
        parse(input, index, dataTextOf(input, elements[index]))
      )
    }
  }
})

/** The text of the `data` of an event in structured mode. */
const dataTextOf = (event: unknown, text: string | undefined): string | undefined =>
  typeof event === "object" && event !== null && !Array.isArray(event) && text !== undefined
    ? memberOf(text, "data")
    : undefined

const charsetPattern = /;\s*charset\s*=\s*"?([^\s;"]+)"?/i
const charsets: ReadonlySet<string> = new Set(["utf-8", "utf8", "us-ascii"])

const utf8 = (body: Uint8Array): Result.Result<string, EventInvalid> =>
  Result.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(body),
    catch: () => invalid(0, [], "Expected UTF-8")
  })

/**
 * Reads the events of an HTTP request by its content type. With `ce-` headers it is binary mode: `data` is the JSON of
 * `application/json` and `+json`, and `data_base64` the bytes of any other type. Without them `application/json` holds a whole
 * event, or a batch. Undefined for a content type that holds no event, and for JSON in another charset than UTF-8.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromHttp = Effect.fnUntraced(function* (
  headers: Readonly<Record<string, string | undefined>>,
  body: Uint8Array
): Effect.fn.Return<ReadonlyArray<CloudEvent> | undefined, EventInvalid> {
  const contentType = headers["content-type"]?.trim() ?? "application/json"
  const mediaType = contentType.split(";")[0]?.trim().toLowerCase() ?? ""
  const isBinary = ["ce-specversion", "ce-id", "ce-type"].some((name) => headers[name] !== undefined)
  const isJson = mediaType === "application/json" || mediaType.endsWith("+json")
  const charset = charsetPattern.exec(contentType)?.[1]?.toLowerCase()
  const isEvent = mediaType.startsWith("application/cloudevents")
  if (isEvent || isJson) {
    if (charset !== undefined && !charsets.has(charset)) return undefined
    const known = contentTypes.find((each) => each === mediaType)
    if (known === undefined && !(isBinary && !isEvent)) return undefined
    const text = yield* Effect.fromResult(utf8(body))
    if (isEvent && known !== undefined) return yield* fromRequest(known, headers, text)
    if (!isBinary) {
      const mode = text.trimStart().startsWith("[") ? contentTypes[1] : contentTypes[0]
      return yield* fromRequest(mode, headers, text)
    }
    const data = text.trim() === "" ? "null" : text
    const event = fromHeaders(headers, yield* Effect.fromResult(json(data)))
    if (contentType !== "application/json") event.datacontenttype = contentType
    return [yield* parse(event, 0, data)]
  }
  if (!isBinary || mediaType === "") return undefined
  const { data: _data, ...attributes } = fromHeaders(headers, null)
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("base64")
  return [yield* parse({ ...attributes, datacontenttype: contentType, data_base64: bytes }, 0)]
})
