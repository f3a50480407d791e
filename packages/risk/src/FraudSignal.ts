/**
 * A signal: something that happened in the shop, with the entities that took part. Its schema and its errors.
 *
 * @since 0.1.0
 */
import * as EmailAddress from "@hypermarket/core/EmailAddress"
import { AdopterId } from "@hypermarket/core/Identifier"
import { Instant } from "@hypermarket/core/Instant"
import * as Json from "@hypermarket/core/Json"
import { Amount, Currency } from "@hypermarket/core/Money"
import { IpAddress } from "@hypermarket/core/Place"
import * as Text from "@hypermarket/core/Text"
import * as Withheld from "@hypermarket/core/Withheld"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/**
 * Kinds of signals. A subject is unique within its kind: two payment tries of one order are two subjects.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SignalKind = Schema.Literals([
  "order",
  "payment",
  "login",
  "listing",
  "payout",
  "message",
  "return"
])

/**
 * @category models
 * @since 0.1.0
 */
export type SignalKind = typeof SignalKind.Type

/**
 * @category schemas
 * @since 0.1.0
 */
export const SignalResult = Schema.Literals(["attempted", "approved", "declined"])

/**
 * @category models
 * @since 0.1.0
 */
export type SignalResult = typeof SignalResult.Type

/**
 * Kinds of entities, as rules and lists name them.
 *
 * @category schemas
 * @since 0.1.0
 */
export const EntityKind = Schema.Literals([
  "account",
  "card",
  "ip",
  "device",
  "email",
  "emailBase",
  "phone",
  "address",
  "seller"
])

/**
 * @category models
 * @since 0.1.0
 */
export type EntityKind = typeof EntityKind.Type

/**
 * The most entities of a signal, those that are derived included: more would be a flood.
 *
 * @category limits
 * @since 0.1.0
 */
export const entitiesMax = 16

/** Sellers of an order. */
const sellersMax = 10

const Email = Schema.String.check(
  Schema.makeFilter(
    (text: string) => (Result.isSuccess(EmailAddress.parse(text)) ? undefined : "Expected an e-mail address"),
    { expected: "an e-mail address", toJsonSchema: () => ({ minLength: 3, maxLength: 254 }) }
  )
)

const Sha256 = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{64}$/, { message: "Expected 64 hexadecimal digits in lower case" })
)

const Phone = Schema.String.check(
  Schema.isPattern(/^\+[1-9](?:[ ().-]*\d){6,14}$/, {
    message: "Expected a number with its country code, such as +49 30 901820"
  })
)

/**
 * The entities of a signal. An e-mail address is given as it is, or as SHA-256 of core's `EmailAddress.normal` (`emailHash`)
 * and `EmailAddress.base` (`emailBaseHash`): both ways meet.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Entities = Schema.Struct({
  account: Schema.optionalKey(AdopterId),
  card: Schema.optionalKey(AdopterId),
  ip: Schema.optionalKey(IpAddress),
  device: Schema.optionalKey(AdopterId),
  email: Schema.optionalKey(Email),
  emailHash: Schema.optionalKey(Sha256),
  emailBaseHash: Schema.optionalKey(Sha256),
  phone: Schema.optionalKey(Phone),
  address: Schema.optionalKey(AdopterId),
  seller: Schema.optionalKey(
    Schema.Union([AdopterId, Schema.Array(AdopterId).check(Schema.isMaxLength(sellersMax))])
  )
})

/**
 * @category models
 * @since 0.1.0
 */
export type Entities = typeof Entities.Type

/** As corrections of hostile input: what a rule may loop over. */
const attributesMaxBytes = 64 * 1024
const attributeEntriesMax = 1_000
const attributeDepthMax = 8

const attributeIssue = (value: Schema.Json, depth: number): string | undefined => {
  if (typeof value === "string") return Text.isStorable(value) ? undefined : "Expected text without U+0000"
  if (typeof value !== "object" || value === null) return undefined
  if (depth > attributeDepthMax) return `Expected a depth of at most ${attributeDepthMax}`
  const entries = Array.isArray(value) ? value : Object.values(value)
  if (entries.length > attributeEntriesMax) return `Expected at most ${attributeEntriesMax} entries`
  if (!Array.isArray(value) && Object.keys(value).some((name) => !Text.isStorable(name))) {
    return "Expected names without U+0000"
  }
  for (const entry of entries) {
    const issue = attributeIssue(entry, depth + 1)
    if (issue !== undefined) return issue
  }
  return undefined
}

/**
 * Facts about the signal for rules: at most 1,000 entries in a list or map, a depth of 8, 64 KiB.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Attributes = Schema.Record(Schema.String, Schema.Json).check(
  Schema.makeFilter(
    (attributes) => {
      const issue = attributeIssue(attributes, 1)
      if (issue !== undefined) return issue
      return Json.bytesOf(JSON.stringify(attributes)) > attributesMaxBytes
        ? `Expected at most ${attributesMaxBytes} bytes`
        : undefined
    },
    { expected: "attributes within their bounds", toJsonSchema: () => ({}) }
  )
)

/**
 * @category models
 * @since 0.1.0
 */
export type Attributes = typeof Attributes.Type

const SignalAmount = Schema.Struct({ amount: Amount, currency: Currency })

/**
 * Names the system that a key is unique in.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Source = Text.make({ max: 200 })

/**
 * Days that a signal may be late. An older one is refused: its windows are no longer kept whole.
 *
 * @category limits
 * @since 0.1.0
 */
export const lateDaysMax = 30

/**
 * A signal as it is sent. `key` is the subject unless given; the same key and body return the same decision.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NewSignal = Schema.Struct({
  kind: SignalKind,
  subject: AdopterId,
  source: Schema.optionalKey(Source),
  key: Schema.optionalKey(AdopterId),
  result: Schema.optionalKey(SignalResult),
  /** At most 30 days ago and 5 minutes ahead. @default now */
  occurredAt: Schema.optionalKey(Instant),
  amount: Schema.optionalKey(SignalAmount),
  entities: Entities,
  attributes: Schema.optionalKey(Attributes)
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewSignal = typeof NewSignal.Type

/**
 * A later state of a signal. It changes no time, amount or entity.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SignalCompletion = Schema.Struct({
  result: Schema.optionalKey(SignalResult),
  attributes: Schema.optionalKey(Attributes)
})

/**
 * @category models
 * @since 0.1.0
 */
export type SignalCompletion = typeof SignalCompletion.Type

/**
 * A signal as it is stored: of its entities the kinds alone, since their values are hashes. Over HTTP its attributes need
 * the scope `customers:contact`.
 *
 * @category models
 * @since 0.1.0
 */
export class FraudSignal extends Schema.Class<FraudSignal>("@hypermarket/risk/FraudSignal")({
  signalId: Schema.String,
  kind: SignalKind,
  subject: Schema.String,
  source: Schema.String,
  result: SignalResult,
  occurredAt: Schema.DateTimeUtcFromString,
  amount: Schema.NullOr(SignalAmount),
  entities: Schema.Array(EntityKind),
  attributes: Schema.Record(Schema.String, Schema.Json),
  recordedAt: Schema.DateTimeUtcFromString,
  ...Withheld.field
}) {}

/**
 * The outcome of a batch: signals that are new, and those whose subject was known.
 *
 * @category models
 * @since 0.1.0
 */
export class SignalsRecorded extends Schema.Class<SignalsRecorded>("@hypermarket/risk/SignalsRecorded")({
  recorded: Schema.Int,
  completed: Schema.Int
}) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class SignalNotFound extends HttpApiError.Problem<SignalNotFound>()(
  "SignalNotFound",
  { type: "urn:hypermarket:problem:risk:signal-not-found", status: 404, title: "Not found" },
  { kind: Schema.String, subject: Schema.String }
) {}

/**
 * The key was used for another body. The first one stays.
 *
 * @category errors
 * @since 0.1.0
 */
export class SignalKeyReused extends HttpApiError.Problem<SignalKeyReused>()(
  "SignalKeyReused",
  {
    type: "urn:hypermarket:problem:risk:signal-key-reused",
    status: 409,
    title: "Key used for another signal"
  },
  { source: Schema.String, key: Schema.String }
) {}

/**
 * The signal cannot be recorded as it is; `path` names the field.
 *
 * @category errors
 * @since 0.1.0
 */
export class SignalInvalid extends HttpApiError.Problem<SignalInvalid>()(
  "SignalInvalid",
  { type: "urn:hypermarket:problem:risk:signal-invalid", status: 422, title: "Signal out of bounds" },
  { errors: Schema.Array(Schema.Struct({ path: Schema.Array(Schema.String), message: Schema.String })) }
) {}
