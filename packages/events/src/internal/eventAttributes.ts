/** Attributes of an event: the standard ones, and extensions with their limits. */
import * as Text from "@hypermarket/core/Text"
import * as Schema from "effect/Schema"

export const batchMax = 1_000

export const extensionsMax = 20

/** RFC 9110, 8.3: type, subtype and parameters, in visible characters and spaces. */
export const mediaTypePattern = /^[!-.0-~]+\/[ -~]+$/

/** RFC 4648, 4, with padding. */
export const base64Pattern = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Of id, type, subject and media type. */
export const ShortText = Text.make({ max: 200 })

/** Of source and schema, which are URIs. */
export const UriText = Text.make({ max: 500 })

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
export const members: ReadonlySet<string> = new Set([...standardAttributes, "data", "data_base64"])

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

export const Extensions = Schema.Record(ExtensionName, ExtensionValue).check(
  Schema.makeFilter((extensions) =>
    Object.keys(extensions).length > extensionsMax
      ? `Expected at most ${extensionsMax} extensions`
      : undefined
  )
)

/**
 * An event in the structured mode of HTTP, for the API's document: its extensions are members beside the others. A request is
 * read by `CloudEvent`.
 */
export const WireEvent = Schema.StructWithRest(
  Schema.Struct({
    specversion: Schema.optionalKey(Schema.Literal("1.0")),
    id: ShortText,
    source: Schema.optionalKey(UriText),
    type: ShortText,
    subject: Schema.optionalKey(ShortText),
    time: Schema.optionalKey(Schema.String),
    datacontenttype: Schema.optionalKey(ShortText),
    dataschema: Schema.optionalKey(UriText),
    traceparent: Schema.optionalKey(Schema.String),
    data: Schema.optionalKey(Schema.Json),
    data_base64: Schema.optionalKey(Schema.String)
  }),
  [Schema.Record(Schema.String, Schema.Json)]
)
