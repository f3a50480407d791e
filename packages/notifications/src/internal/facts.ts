/** Reads profiles from facts of the shop. */
import * as Commerce from "@hypermarket/core/Commerce"
import * as Identifier from "@hypermarket/core/Identifier"
import type { Event } from "@hypermarket/core/Outbox"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { ProfileFact } from "../NotificationProfiles.ts"
import { lineOf } from "./line.ts"

const version = Schema.Union([Schema.Int, Schema.String.check(Schema.isPattern(/^\d{1,18}$/))])

const decodeCustomer = Schema.decodeUnknownOption(
  Schema.Struct({
    customerId: Identifier.AdopterId,
    version,
    email: Schema.optionalKey(Schema.String),
    locale: Schema.optionalKey(Schema.String),
    timeZone: Schema.optionalKey(Schema.String)
  })
)
const decodeSeller = Schema.decodeUnknownOption(
  Schema.Struct({
    sellerId: Identifier.AdopterId,
    version,
    name: Schema.optionalKey(Schema.String),
    contact: Schema.optionalKey(Schema.String)
  })
)

const customerType = Commerce.typeOf("customer.changed")
const nameMax = 200

/** Facts were checked at the door; one that does not decode here is of another release, and is left out. */
export const profilesOf = (events: ReadonlyArray<Event>): ReadonlyArray<ProfileFact> =>
  events.flatMap((event): ReadonlyArray<ProfileFact> => {
    if (event.type === customerType) {
      return Option.match(decodeCustomer(event.data), {
        onNone: () => [],
        onSome: (data) => [
          {
            kind: "customer",
            id: data.customerId,
            version: BigInt(data.version),
            email: data.email,
            name: undefined,
            locale: data.locale,
            timeZone: data.timeZone
          }
        ]
      })
    }
    return Option.match(decodeSeller(event.data), {
      onNone: () => [],
      onSome: (data) => [
        {
          kind: "seller",
          id: data.sellerId,
          version: BigInt(data.version),
          // A contact may also be a telephone number.
          email: data.contact?.includes("@") === true ? data.contact : undefined,
          name: data.name === undefined ? undefined : lineOf(data.name, nameMax) || undefined,
          locale: undefined,
          timeZone: undefined
        }
      ]
    })
  })
