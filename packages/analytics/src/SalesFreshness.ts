/**
 * How fresh a tenant's figures are, and when they were last compared with their facts. Schemas; the service is
 * `SalesQueries`.
 *
 * @since 0.1.0
 */
import { Day } from "@hypermarket/core/Instant"
import * as Schema from "effect/Schema"

/**
 * `proven` when the figures equalled their facts within the last 48 hours, `differing` while a month has wrong figures,
 * and `unproven` otherwise.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ProofStatus = Schema.Literals(["proven", "differing", "unproven"])

/**
 * The state of a tenant's figures. They are exact to the last commit whatever the backlog is: it costs readers time.
 *
 * @category models
 * @since 0.1.0
 */
export class SalesFreshness extends Schema.Class<SalesFreshness>("@hypermarket/analytics/SalesFreshness")({
  status: ProofStatus,
  /** The time of the last change of a figure, up to some seconds late. Null without facts. */
  changedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  /** Changes that wait for a merge, counted up to 50,000. */
  backlog: Schema.Struct({
    rows: Schema.Int,
    oldestAt: Schema.NullOr(Schema.DateTimeUtcFromString)
  }),
  /** The last nightly comparison with the facts: its months, and its cells that differed. Null before the first. */
  proof: Schema.NullOr(
    Schema.Struct({
      provedAt: Schema.DateTimeUtcFromString,
      months: Schema.Int,
      differences: Schema.Int
    })
  ),
  /** The first day whose facts are kept: those of the days before it were removed after their retention. Null without any. */
  factsFrom: Schema.NullOr(Day),
  /** The first 100 months with cells that differ from their facts, until a rebuild repairs them. */
  differingMonths: Schema.Array(Schema.Struct({ month: Schema.String, differences: Schema.Int }))
}) {}
