/**
 * The prose of sales analytics in the API reference.
 *
 * @since 0.1.0
 */
import * as Reference from "@hypermarket/core/Reference"
import { AnalyticsApi } from "./AnalyticsApi.ts"
import examples from "./AnalyticsApi.examples.json" with { type: "json" }

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  AnalyticsApi,
  {
    orders: {
      record: {
        summary: "Record order facts",
        description:
          "Records at most 1,000 facts, all or nothing. The body has at most 8 MiB, and the facts 20,000 lines. Amounts are minor units of the order's currency, as text.\n\nEach fact has a `version` that you increase with every change of the order, refund or shipment. `items` has one outcome per fact: `applied`, `duplicate` for the same version again, or `superseded` for an older one. So repeat a request that failed. A refund or shipment of an unknown order is `waiting`: it is counted when the order arrives. A new fact of an order whose facts retention has removed is `late`: it is listed, and in no figure.\n\nA refund without `orderId` is a credit: send its `region` and `currency`. `order.deleted` takes an order out of every figure.\n\nThe same version with another content is answered with 409 `order-fact-conflict`. A 400 `order-fact-invalid` names the fields. In both cases nothing was written."
      }
    },
    unplaced: {
      listUnplaced: {
        summary: "List facts in no figure",
        description:
          "Returns the facts that are in no figure, 50 per page by default and at most 200. With the reason `unknown` it is a refund or shipment whose order is unknown: send the order to count it, or a higher version without lines to withdraw it.\n\nWith the reason `removed` retention has removed the facts of its order, and what it changes is not known any more. Send a refund that was not counted before as a credit: a refund without `orderId`."
      }
    },
    sales: {
      catalogue: {
        summary: "List measures and dimensions",
        description:
          "Returns every measure and dimension of a query. `timeBase` is `order` when a measure counts on the day of the order, and `booking` when it counts on the day of the event itself. A measure cannot be grouped by the dimensions in its `notOver`."
      },
      run: {
        summary: "Query sales",
        description:
          "Returns exact sums of the measures over the days from `from` up to, but not including, `until`. Group them by at most 4 dimensions, and by time with a `granularity`. Money is in minor units with its currency, and is never added across currencies.\n\nWith `asOf` a query reads the figures that a close keeps, for days of its period.\n\nWith `fill` times without figures have rows of 0. `having` bounds measures, `offset` passes over rows, and `compareWith` answers other days in `comparison`, read in the same snapshot.\n\nWith `window` each row adds up all days from `from` on (`cumulative`), or itself and the rows before it (`rolling`). `fiscalYearStart` is the month in which years and quarters begin. Weeks of the granularity `isoWeek` are named as in `2026-W09`.\n\nWith `byCurrency` counts are over all currencies, and each measure of money has a value per currency, as `net.EUR`. With `format` `csv` the response is `text/csv` with a header, amounts in minor units and all rows: more than 10,000 are refused unless you set `limit`.\n\nA query has at most 20 measures, 10 filters and 10,000 rows. `isComplete` is false when there are more rows than the limit: narrow the filters or raise `limit`. An order is in the sums as soon as its fact is answered.\n\nOver more than 400 days, products, other combinations and customers are read from at most 1,000,000 lines. Beyond that customers are estimated, and `estimate` has the error; other measures are refused. Days before `factsFrom` of the freshness are answered from summaries only, and new and returning customers are refused.\n\nA 400 `sales-query-invalid` names the field that cannot be answered."
      },
      freshness: {
        summary: "Get the freshness of figures",
        description:
          "Returns how many changes wait for a merge, and when the figures were last compared with their facts. Figures are exact to the last commit whatever waits: a backlog costs readers time.\n\n`status` is `proven` after a comparison without a difference in the last 48 hours. It is `differing` while a month of `differingMonths` has wrong figures, and `unproven` otherwise. `factsFrom` is the first day whose facts are kept, when retention has removed older ones."
      }
    },
    figures: {
      getFigures: {
        summary: "Get the figures of an order",
        description:
          "Returns an order as the figures count it: its days, its lines, its refunds and shipments with the days of their booking, and its measures in `totals`. Amounts are minor units of `currency`.\n\nThe line with the empty `lineId` has the amounts of the whole order. A deleted order has no lines. An order of which only a refund is known is answered with 404 `order-not-found`, and is in the list of facts in no figure. An order whose facts retention has removed is answered with 410 `order-retired`."
      }
    },
    zones: {
      getZone: {
        summary: "Get a time zone",
        description:
          "Returns the zone in which days begin: the tenant's, or with `sellerId` that of one seller. It is UTC by default."
      },
      setZone: {
        summary: "Set a time zone",
        description:
          "Sets the zone in which days begin, by its IANA name. Set `sellerId` to null for the tenant's zone. Set it before the first order: a zone with orders is fixed, and another one is answered with 409 `zone-fixed`. Setting the same zone again changes nothing."
      }
    },
    closes: {
      close: {
        summary: "Close a period",
        description:
          "Keeps the figures of a day or month as they are now, so that a report can be compared with later changes. The period must be over in the zones of the tenant and of its sellers.\n\nA period can be closed once: 409 `close-exists`. 409 `summaries-differ` when a comparison with the facts finds a wrong figure, and 409 `sum-too-large` when a sum does not fit into 64 bits. A 400 `period-invalid` says why a period cannot be closed. Orders of a closed period can still change; the restatement shows it."
      },
      listCloses: {
        summary: "List closes",
        description:
          "Returns the tenant's closes, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page."
      },
      getClose: {
        summary: "Get a close",
        description:
          "Returns one close. `untilDay` is the first day after its period, and `cells` is the number of sums that it keeps."
      },
      restatement: {
        summary: "List changes since a close",
        description:
          "Returns how the figures of a closed period differ from those at the close: by cell, and by order. Each number is the difference. `by` is the dimension of the cells, `day` by default. By seller, the orders are those of the seller's days. A day has no figures by category: 400 `period-invalid`. An order id `credit:` and a refund's id is a credit without an order, and `rebuild` a repair. At most 1,000 cells and 1,000 orders are listed; `isComplete` is false when there are more."
      }
    }
  },
  {
    examples,
    problems: {
      "urn:hypermarket:problem:analytics:close-exists": {
        cause: "The period was closed before.",
        remedy: "List the closes to find it."
      },
      "urn:hypermarket:problem:analytics:close-not-found": {
        cause: "The tenant has no close with this id.",
        remedy: "List the closes to find the id."
      },
      "urn:hypermarket:problem:analytics:order-fact-conflict": {
        cause:
          "The version of the order, refund or shipment was recorded with another content. Nothing was written.",
        remedy: "Increase `version` with every change."
      },
      "urn:hypermarket:problem:analytics:order-fact-invalid": {
        cause: "A fact of the batch is not valid. Nothing was written.",
        remedy: "Correct the fields in `errors`. Each path begins with the index of the fact."
      },
      "urn:hypermarket:problem:analytics:order-not-found": {
        cause: "The tenant has no order with this id, or only a refund or shipment of it.",
        remedy: "Send the order, or list the facts in no figure."
      },
      "urn:hypermarket:problem:analytics:order-retired": {
        cause: "The order is older than the retention, and its lines, refunds and shipments were removed.",
        remedy: "Ask for the figures of its days. They contain the order."
      },
      "urn:hypermarket:problem:analytics:period-invalid": {
        cause: "The period is not over, `fromDay` is not its first day, or a day was asked for by category.",
        remedy: "Choose a period that is over, and begin a month on its first day."
      },
      "urn:hypermarket:problem:analytics:sales-query-invalid": {
        cause: "The measures, dimensions or days do not go together.",
        remedy: "Correct the field in `errors`. The catalogue lists what can be combined."
      },
      "urn:hypermarket:problem:analytics:sum-too-large": {
        cause: "A sum of the tenant does not fit into 64 bits, and waits for its merge.",
        remedy:
          "Correct the amounts of the facts, or ask the operator to run `hypermarket analytics rebuild`."
      },
      "urn:hypermarket:problem:analytics:summaries-differ": {
        cause: "Cells of the month are not what its facts give. A close would keep wrong figures.",
        remedy: "Ask the operator to run `hypermarket analytics rebuild`, then close again."
      },
      "urn:hypermarket:problem:analytics:zone-fixed": {
        cause: "Orders were recorded with days of another zone.",
        remedy: "Keep the zone. `zone` is the one in use."
      },
      "urn:hypermarket:problem:analytics:zone-unknown": {
        cause: "The database has no time zone of this name.",
        remedy: "Send an IANA name such as `Europe/Berlin`."
      }
    }
  }
)
