/**
 * @since 0.1.0
 */
import * as Migrations from "@hypermarket/core/Migrations"
import manifest from "../package.json" with { type: "json" }
import orderFact from "./migrations/0001_order_fact.ts"
import orderSummary from "./migrations/0002_order_summary.ts"
import salesClose from "./migrations/0003_sales_close.ts"
import orderMoney from "./migrations/0004_order_money.ts"
import orderUnplaced from "./migrations/0005_order_unplaced.ts"
import orderMonth from "./migrations/0006_order_month.ts"
import restatementSeller from "./migrations/0007_restatement_seller.ts"
import orderCustomer from "./migrations/0008_order_customer.ts"
import orderRetention from "./migrations/0009_order_retention.ts"
import orderDeltaNull from "./migrations/0010_order_delta_null.ts"
import orderChecks from "./migrations/0011_order_checks.ts"

/**
 * @category migrations
 * @since 0.1.0
 */
export const migrations = Migrations.make(
  "analytics",
  {
    "0001_order_fact": orderFact,
    "0002_order_summary": orderSummary,
    "0003_sales_close": salesClose,
    "0004_order_money": orderMoney,
    "0005_order_unplaced": orderUnplaced,
    "0006_order_month": orderMonth,
    "0007_restatement_seller": restatementSeller,
    "0008_order_customer": orderCustomer,
    "0009_order_retention": orderRetention,
    "0010_order_delta_null": orderDeltaNull,
    "0011_order_checks": orderChecks
  },
  { release: manifest.version }
)
