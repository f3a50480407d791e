/** Reads profiles from facts of the shop. */
import * as Commerce from "@hypermarket/core/Commerce"
import * as Identifier from "@hypermarket/core/Identifier"
import * as InputErrors from "@hypermarket/core/InputErrors"
import type { Event } from "@hypermarket/core/Outbox"
import * as Subscription from "@hypermarket/core/Subscription"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { ProfileFact } from "../NotificationProfiles.ts"
import { lineOf } from "./line.ts"

const version = Schema.Union([Schema.Int, Schema.String.check(Schema.isPattern(/^\d{1,18}$/))])

const decodeCustomer = Schema.decodeUnknownEffect(
  Schema.Struct({
    customerId: Identifier.AdopterId,
    version,
    email: Schema.optionalKey(Schema.String),
    locale: Schema.optionalKey(Schema.String),
    timeZone: Schema.optionalKey(Schema.String)
  })
)
const decodeSeller = Schema.decodeUnknownEffect(
  Schema.Struct({
    sellerId: Identifier.AdopterId,
    version,
    name: Schema.optionalKey(Schema.String),
    contact: Schema.optionalKey(Schema.String)
  })
)

const customerType = Commerce.typeOf("customer.changed")
const nameMax = 200

/** The reason by which facts that do not decode are counted. */
export const factInvalid = "fact-invalid"

const customerOf = (data: unknown): Effect.Effect<ProfileFact, Schema.SchemaError> =>
  Effect.map(decodeCustomer(data), (customer) => ({
    kind: "customer",
    id: customer.customerId,
    version: BigInt(customer.version),
    email: customer.email,
    name: undefined,
    locale: customer.locale,
    timeZone: customer.timeZone
  }))

const sellerOf = (data: unknown): Effect.Effect<ProfileFact, Schema.SchemaError> =>
  Effect.map(decodeSeller(data), ({ contact, name, sellerId, version }) => ({
    kind: "seller",
    id: sellerId,
    version: BigInt(version),
    // A contact may also be a telephone number.
    email: contact?.includes("@") === true ? contact : undefined,
    name: name === undefined ? undefined : lineOf(name, nameMax) || undefined,
    locale: undefined,
    timeZone: undefined
  }))

/**
 * Returns the profiles of facts. Facts were checked when they were published, by another release perhaps: one that does not
 * decode is rejected.
 */
export const profilesOf = Effect.fnUntraced(function* (events: ReadonlyArray<Event>) {
  const profiles: Array<ProfileFact> = []
  const rejections: Array<Subscription.Rejection> = []
  for (const event of events) {
    const read = event.type === customerType ? customerOf : sellerOf
    const fact = yield* Effect.result(read(event.data))
    if (Result.isSuccess(fact)) profiles.push(fact.success)
    else rejections.push(Subscription.reject(event, factInvalid, InputErrors.errorsOf(fact.failure)))
  }
  return { profiles, rejections }
})
