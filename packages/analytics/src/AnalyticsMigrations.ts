/**
 * @since 0.1.0
 */
import * as Migrations from "@hypermarket/core/Migrations"
import orderFact from "./migrations/0001_order_fact.ts"
import orderSummary from "./migrations/0002_order_summary.ts"
import salesClose from "./migrations/0003_sales_close.ts"
import sum from "./migrations/0004_sum.ts"
import lineOfSeller from "./migrations/0005_line_of_seller.ts"

/**
 * @category migrations
 * @since 0.1.0
 */
export const migrations = Migrations.make("analytics", {
  "0001_order_fact": orderFact,
  "0002_order_summary": orderSummary,
  "0003_sales_close": salesClose,
  "0004_sum": sum,
  "0005_line_of_seller": lineOfSeller
})
