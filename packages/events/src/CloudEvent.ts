/**
 * The envelope: CloudEvents 1.0.2, in its three HTTP content modes (HTTP protocol binding 1.0.2).
 *
 * @since 0.1.0
 */
import * as Commerce from "@hypermarket/core/Commerce"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

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

const Text = (lengthMax: number) => Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(lengthMax))

/**
 * An event as it is published. `source` and `id` name it; `time` is when it happened. Extension attributes beside
 * `traceparent` are refused.
 *
 * @category models
 * @since 0.1.0
 */
export const CloudEvent = Schema.Struct({
  specversion: Schema.Literal("1.0"),
  id: Text(200),
  source: Text(500),
  type: Text(200),
  subject: Schema.optionalKey(Text(200)),
  time: Schema.optionalKey(Schema.DateTimeUtcFromString),
  datacontenttype: Schema.optionalKey(Schema.Literal("application/json")),
  dataschema: Schema.optionalKey(Text(500)),
  traceparent: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/))
  ),
  data: Schema.optionalKey(Schema.Json)
})

/**
 * @category models
 * @since 0.1.0
 */
export type CloudEvent = typeof CloudEvent.Type

/**
 * The wire form.
 *
 * @category models
 * @since 0.1.0
 */
export type Encoded = typeof CloudEvent.Encoded

/**
 * Nothing of the batch was published. Each entry's path begins with the index of the event in the batch.
 *
 * @category errors
 * @since 0.1.0
 */
export class EventInvalid extends HttpApiError.Problem<EventInvalid>()(
  "EventInvalid",
  { type: "urn:hypermarket:problem:events:event-invalid", status: 400, title: "An event is not valid" },
  { errors: Schema.Array(HttpApiError.ProblemIssue) }
) {}

const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1()
const decode = Schema.decodeUnknownEffect(CloudEvent, { onExcessProperty: "error", errors: "all" })
const textEncoder = new TextEncoder()

const keyOf = (segment: PropertyKey | { readonly key: PropertyKey }): string | number => {
  const key = typeof segment === "object" ? segment.key : segment
  return typeof key === "number" ? key : String(key)
}

const invalid = (index: number, path: ReadonlyArray<string | number>, message: string) =>
  new EventInvalid({ errors: [{ path: [index, ...path], message }] })

const fromSchemaError = (index: number, within: ReadonlyArray<string>, error: Schema.SchemaError) =>
  new EventInvalid({
    errors: formatIssues(error.issue).issues.map((issue) => ({
      path: [index, ...within, ...(issue.path ?? []).map(keyOf)],
      message: issue.message
    }))
  })

/**
 * Checks one event: its envelope, its size, and its data when it is a fact of the shop.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = Effect.fnUntraced(function* (
  input: unknown,
  index: number
): Effect.fn.Return<CloudEvent, EventInvalid> {
  const event = yield* Effect.mapError(decode(input), (error) => fromSchemaError(index, [], error))
  const isFact = Commerce.isReserved(event.type)
  if (isFact && Commerce.schemaOf(event.type) === undefined) {
    return yield* invalid(index, ["type"], `Unknown fact; known are ${Commerce.types.join(", ")}`)
  }
  const bytesMax = isFact ? Commerce.factBytesMax : eventBytesMax
  const text = JSON.stringify(event.data ?? null)
  // At most three bytes of UTF-8 a character: measure only what could be too large.
  if (text.length * 3 > bytesMax && textEncoder.encode(text).length > bytesMax) {
    return yield* invalid(index, ["data"], `Expected at most ${bytesMax} bytes`)
  }
  yield* Effect.mapError(Commerce.check(event.type, event.data), (error) =>
    fromSchemaError(index, ["data"], error)
  )
  return event
})

/**
 * The structured mode's text, attributes in a fixed order: the same event has the same text, but for `traceparent`. By hand, because publishing
 * a batch through the schema's encoder takes longer than its statements.
 *
 * @category encoding
 * @since 0.1.0
 */
export const toJson = (event: CloudEvent): string =>
  JSON.stringify({
    specversion: event.specversion,
    id: event.id,
    source: event.source,
    type: event.type,
    subject: event.subject,
    time: event.time === undefined ? undefined : DateTime.formatIso(event.time),
    datacontenttype: event.datacontenttype,
    dataschema: event.dataschema,
    traceparent: event.traceparent,
    data: event.data
  } satisfies { readonly [Attribute in keyof Encoded]: Encoded[Attribute] | undefined })

const json = (text: string): Result.Result<unknown, EventInvalid> =>
  Result.try({
    try: (): unknown => JSON.parse(text),
    catch: () => invalid(0, [], "Expected JSON")
  })

const attributeHeaders = ["id", "source", "type", "subject", "time", "specversion", "dataschema"] as const

/** In binary mode attributes are headers, percent-encoded (HTTP protocol binding, 3.1.3.2). */
const fromHeaders = (
  headers: Readonly<Record<string, string | undefined>>,
  data: unknown
): Record<string, unknown> => {
  const event: Record<string, unknown> = { data }
  for (const name of attributeHeaders) {
    const value = headers[`ce-${name}`]
    if (value !== undefined) event[name] = decodePercent(value)
  }
  // The extension's own header, else the trace of the request.
  const traceparent = headers["ce-traceparent"] ?? headers.traceparent
  if (traceparent !== undefined) event.traceparent = traceparent
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
  const value = yield* Effect.fromResult(json(body === "" ? "null" : body))
  switch (contentType) {
    case "application/cloudevents+json":
      return [yield* parse(value, 0)]
    case "application/json":
      return [yield* parse(fromHeaders(headers, value), 0)]
    case "application/cloudevents-batch+json": {
      if (!Array.isArray(value)) return yield* invalid(0, [], "Expected an array of events")
      const inputs: ReadonlyArray<unknown> = value
      if (inputs.length > batchMax) return yield* invalid(batchMax, [], `Expected at most ${batchMax} events`)
      return yield* Effect.forEach(inputs, parse)
    }
  }
})
