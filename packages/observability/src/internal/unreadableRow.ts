/**
 * Records rows that this release cannot read, as a newer one may leave them behind. They are failures of a separate loop, so that
 * the other rows of their tenant are served meanwhile.
 */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

class RowUnreadable extends Schema.TaggedError<RowUnreadable>()("RowUnreadable", {
  row: Schema.String
}) {
  override get message() {
    return `this release cannot read ${this.row}`
  }
}

const roundLimit = "5 seconds"

/** Records the tenants with an unreadable row, and clears those without. */
export const record = (
  loop: string,
  tenants: ReadonlyArray<{ readonly tenantId: string; readonly row: string | undefined }>
) =>
  EachTenant.run({
    loop,
    items: tenants,
    limit: roundLimit,
    turn: ({ row }) =>
      row === undefined
        ? Effect.succeed({ count: 0, hasMore: false })
        : Effect.fail(new RowUnreadable({ row }))
  })
