/** Fields that features, reservations and usage have in common. */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Schema from "effect/Schema"
import { quotaMax } from "../RatePolicy.ts"

export const Amount = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: quotaMax }))

export const AmountOrZero = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: quotaMax }))

/** The subject of a quota within the tenant: a seller or a user. Null is the tenant itself. */
export const Subject = Schema.NullOr(Identifier.AdopterId)
