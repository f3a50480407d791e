/**
 * Events in HTTP requests: the three content modes of CloudEvents (HTTP protocol binding 1.0.2).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { batchMax, type CloudEvent, invalid, mediaTypeOf, parse, traceparentPattern } from "./CloudEvent.ts"
import type { EventInvalid } from "./EventInvalid.ts"
import { elementsOf, memberOf } from "./internal/jsonText.ts"

const json = (text: string): Result.Result<unknown, EventInvalid> =>
  Result.try({
    try: (): unknown => JSON.parse(text),
    catch: () => invalid(0, [], "Expected JSON")
  })

const headerPrefix = "ce-"

/** The body and its content type are no headers with the prefix. */
const noHeaders: ReadonlySet<string> = new Set(["data", "data_base64", "datacontenttype", "traceparent"])

type Headers = Readonly<Record<string, string | undefined>>

/** In binary mode attributes are headers, percent-encoded (HTTP protocol binding, 3.1.3.2). */
const fromHeaders = (headers: Headers): Record<string, unknown> => {
  const event: Record<string, unknown> = {}
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

/** The body is the JSON of `data`; an empty one is an event without data. */
const fromBinaryJson = Effect.fnUntraced(function* (
  attributes: Record<string, unknown>,
  text: string
): Effect.fn.Return<CloudEvent, EventInvalid> {
  if (text.trim() === "") return yield* parse(attributes, 0)
  return yield* parse({ ...attributes, data: yield* Effect.fromResult(json(text)) }, 0, text)
})

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
  headers: Headers,
  body: string
): Effect.fn.Return<ReadonlyArray<CloudEvent>, EventInvalid> {
  if (contentType === "application/json") return [yield* fromBinaryJson(fromHeaders(headers), body)]
  const text = body.trim() === "" ? "null" : body
  const value = yield* Effect.fromResult(json(text))
  switch (contentType) {
    case "application/cloudevents+json":
      return [yield* parse(value, 0, dataTextOf(value, text))]
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
  headers: Headers,
  body: Uint8Array
): Effect.fn.Return<ReadonlyArray<CloudEvent> | undefined, EventInvalid> {
  const sent = headers["content-type"]?.trim()
  const contentType = sent ?? "application/json"
  const { isJson, isUtf8, mediaType } = mediaTypeOf(contentType)
  const isBinary = ["ce-specversion", "ce-id", "ce-type"].some((name) => headers[name] !== undefined)
  const isEvent = mediaType.startsWith("application/cloudevents")
  if (isEvent || isJson) {
    const known = contentTypes.find((each) => each === mediaType)
    if (!isUtf8 || (known === undefined && !(isBinary && !isEvent))) return undefined
    const text = yield* Effect.fromResult(utf8(body))
    if (isEvent && known !== undefined) return yield* fromRequest(known, headers, text)
    if (!isBinary) {
      const mode = text.trimStart().startsWith("[") ? contentTypes[1] : contentTypes[0]
      return yield* fromRequest(mode, headers, text)
    }
    const attributes = fromHeaders(headers)
    if (sent !== undefined) attributes.datacontenttype = sent
    return [yield* fromBinaryJson(attributes, text)]
  }
  if (!isBinary || mediaType === "") return undefined
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("base64")
  return [yield* parse({ ...fromHeaders(headers), datacontenttype: contentType, data_base64: bytes }, 0)]
})
