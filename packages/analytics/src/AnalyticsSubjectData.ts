/**
 * The data of persons in order facts: amounts and counts stay, and the customer becomes null.
 *
 * @since 0.1.0
 */
import * as SubjectTables from "@hypermarket/core/SubjectTables"

const { columns, nothing } = SubjectTables

const customer = { ids: ["customer_id"], only: ["customer", "user"] } as const
const books = { set: { customer_id: "null" }, reason: "amounts of orders stay in the books" } as const

/**
 * Finds, exports and erases a person in the tables of analytics.
 *
 * @category domains
 * @since 0.1.0
 */
export const subjectData = SubjectTables.make({
  tables: [
    columns("hm_order_line", customer, books),
    columns("hm_order_credit", customer, books),
    nothing("hm_order_head", "versions of orders"),
    nothing("hm_order_adjustment", "amounts by order"),
    nothing("hm_order_delta", "sums"),
    nothing("hm_order_merge", "counters"),
    nothing("hm_order_summary", "sums"),
    nothing("hm_order_month", "results of proofs"),
    nothing("hm_order_proof", "results of proofs"),
    nothing("hm_order_restatement", "sums by order"),
    nothing("hm_order_retention", "counters"),
    nothing("hm_order_late", "amounts by order"),
    nothing("hm_sales_analytics_snapshot", "sums"),
    nothing("hm_order_close", "closed periods"),
    nothing("hm_order_zone", "time zones of sellers")
  ]
})
