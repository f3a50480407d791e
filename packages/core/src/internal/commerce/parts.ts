/** Schemas that several facts share. */
import * as Schema from "effect/Schema"
import * as BoundedInt from "../../BoundedInt.ts"
import { AdopterId } from "../../Identifier.ts"
import * as Json from "../../Json.ts"
import { Amount, Currency } from "../../Money.ts"
import { make as makeText } from "../../Text.ts"

export { optionalKey as optional } from "effect/Schema"

export const orderLinesMax = 1_000
export const attributesMax = 200

export const text = (max: number) => makeText({ max })

export const Version = BoundedInt.PositiveSafeInt

/** Units of a line: a billion of one product is a mistyped amount. */
export const quantityMax = 1_000_000_000
export const Quantity = BoundedInt.make({ minimum: 1, maximum: quantityMax })
export const QuantityOrNone = BoundedInt.make({ minimum: 0, maximum: quantityMax })

export const Attributes = Json.record({ namesMax: attributesMax })

/** Money outside of an order; what belongs to an order is an amount in the order's currency. */
export const Money = Schema.Struct({ amount: Amount, currency: Currency })

const hexPattern = /^[0-9a-f]{64}$/
export const Sha256 = Schema.String.check(
  Schema.isPattern(hexPattern, { message: "Expected 64 lower-case hexadecimal digits" })
)

/** Refuses two lines of one id: the second would be a correction of the first, or a mistake. */
export const haveOwnIds = Schema.makeFilter(
  (lines: ReadonlyArray<{ readonly lineId: string }>) => {
    const ids = new Set<string>()
    const issues: Array<Schema.FilterIssue> = []
    for (const [index, { lineId }] of lines.entries()) {
      if (ids.has(lineId)) issues.push({ path: [index, "lineId"], issue: "Two lines have this id" })
      ids.add(lineId)
    }
    return issues
  },
  { expected: "lines with different ids", toJsonSchema: () => ({}) }
)

/** Lines of a shipment, a return or a claim. */
export const QuantityLines = Schema.Array(Schema.Struct({ lineId: AdopterId, quantity: Quantity })).check(
  Schema.isMaxLength(orderLinesMax),
  haveOwnIds
)
