/** The context of a request to evaluate: read, bounded and checked. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** Characters of a request: a context is a customer's attributes. Past it the context is invalid. */
const contextMaxCharacters = 262_144

/** Levels of a context, those of its lists and objects included. */
const depthMax = 32

export interface ContextRefusal {
  readonly errorCode: "PARSE_ERROR" | "INVALID_CONTEXT"
  readonly errorDetails: string
}

interface ParsedContext {
  readonly attributes: { readonly [name: string]: Schema.Json }
}

const decodeJson = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Unknown))

const invalid = (errorDetails: string): ContextRefusal => ({ errorCode: "INVALID_CONTEXT", errorDetails })

type JsonObject = { readonly [name: string]: Schema.Json }

const isJson = (value: unknown, depth: number): value is Schema.Json => {
  if (typeof value !== "object" || value === null) return true
  if (depth >= depthMax) return false
  for (const item of Object.values(value)) if (!isJson(item, depth + 1)) return false
  return true
}

const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) && isJson(value, 0)

const fieldOf = (value: unknown, field: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, field)
    ? Reflect.get(value, field)
    : undefined

const attributesOf = (text: string, field: string): ParsedContext | ContextRefusal => {
  if (text.length > contextMaxCharacters) {
    return invalid(`Expected a request of at most ${contextMaxCharacters} characters`)
  }
  const body = decodeJson(text)
  if (Result.isFailure(body)) return { errorCode: "PARSE_ERROR", errorDetails: "Expected a body of JSON" }
  const attributes = fieldOf(body.success, field)
  if (attributes === undefined) return invalid(`Expected an object \`${field}\``)
  if (!isJsonObject(attributes))
    return invalid(`Expected \`${field}\` to be an object of at most ${depthMax} levels`)
  return { attributes }
}

/** Reads the attributes in a field of a request's body. */
export const parseAttributes = (body: Uint8Array, field: string): ParsedContext | ContextRefusal =>
  attributesOf(new TextDecoder().decode(body), field)

/** Reads the context of a request's body. */
export const parseContext = (body: Uint8Array): ParsedContext | ContextRefusal => {
  const parsed = parseAttributes(body, "context")
  if ("errorCode" in parsed) return parsed
  const unit = fieldOf(parsed.attributes, "targetingKey")
  return unit === undefined || typeof unit === "string" || typeof unit === "number"
    ? parsed
    : invalid("Expected `context.targetingKey` to be text")
}

/** JSON with sorted keys: the same attributes in another order are the same context. */
export const canonicalJson = (value: Schema.Json): string => {
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`
  return `{${Object.entries(value)
    .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`)
    .join(",")}}`
}

/** True when `If-None-Match` has the tag, weak or not, or any. */
export const etagMatches = (header: string | undefined, etag: string): boolean =>
  header !== undefined &&
  header.split(",").some((tag) => {
    const bare = tag.trim().replace(/^W\//, "")
    return bare === "*" || bare === etag || `"${bare}"` === etag
  })
