/** The pages of the console, and what each shows of the shop. */
import { deliveryId, endpointId, executionId } from "./shop/events.ts"
import { notificationId } from "./shop/watch.ts"

export interface Expected {
  readonly path: string
  readonly heading: string
  /** Texts that the page shows, of the shop's data. */
  readonly shows: ReadonlyArray<string>
  /** The scope that a key needs for it. */
  readonly requires?: string
  /** A tenant without data is told why the page is empty. */
  readonly empties?: true
}

export const pages: ReadonlyArray<Expected> = [
  { path: "", heading: "What needs you", shows: ["3 jobs of erp-export are dead", "€258.00", "Exact"] },
  {
    path: "/sales",
    heading: "Sales",
    shows: ["€454.00", "Lighting", "Seating", "Exact"],
    requires: "analytics:read"
  },
  {
    path: "/sales/closes",
    heading: "Closes",
    shows: ["1 Jan 2026 to 31 Jan 2026"],
    requires: "analytics:read",
    empties: true
  },
  {
    path: "/search?q=brass%20lamp&hit=lamp-1",
    heading: "Search playground",
    shows: ["desk", "as typed", "Score"]
  },
  { path: "/indexes", heading: "Search indexes", shows: ["products"] },
  { path: "/indexes/products", heading: "Search indexes / products", shows: ["active", "Settings"] },
  { path: "/queues", heading: "Queues", shows: ["erp-export"], requires: "events:read" },
  {
    path: "/queues/erp-export",
    heading: "Queues / erp-export",
    shows: ["Timeout: no answer", "Rejected: no tax code"],
    requires: "events:read"
  },
  {
    path: "/schedules",
    heading: "Schedules",
    shows: ["There is no schedule"],
    requires: "events:read",
    empties: true
  },
  {
    path: "/subscriptions",
    heading: "Subscriptions",
    shows: ["For erp-export"],
    requires: "events:read",
    empties: true
  },
  {
    path: "/webhooks",
    heading: "Webhooks",
    shows: ["https://erp.example/hooks/orders", "Fails: Answered 503"],
    requires: "events:read",
    empties: true
  },
  {
    path: `/webhooks/${endpointId}?delivery=${deliveryId}`,
    heading: "Webhooks / https://erp.example/hooks/orders enabled",
    shows: ["com.acme.stock.moved · lamp-1", "Attempt 10", "The ERP is in maintenance", "87 ms"],
    requires: "events:read"
  },
  {
    path: "/workflows",
    heading: "Workflows",
    shows: ["fulfil-order", "needs a resume", "The carrier is closed"],
    requires: "events:read",
    empties: true
  },
  {
    path: `/workflows/${executionId}`,
    heading: "Workflows / fulfil-order needs a resume",
    shows: ["reserve-stock", "Tasks of the child", "The carrier is closed"],
    requires: "events:read"
  },
  {
    path: "/timeline/order/o-1001",
    heading: "Order o-1001",
    shows: ["Order placed: 1 line, 2 units", "€98.00"]
  },
  { path: "/timeline", heading: "Orders & customers", shows: ["Which one?"] },
  {
    path: "/flags",
    heading: "Flags",
    shows: ["pay-later", "1 rule, else off", "checkout"],
    requires: "flags:read",
    empties: true
  },
  {
    path: "/flags/pay-later",
    heading: "Flags / pay-later active",
    shows: ["40 % by targetingKey, where country is one of AT, CH", "on = true, off = false"],
    requires: "flags:read"
  },
  {
    path: "/messages",
    heading: "Messages",
    shows: ["customer c-77", "filtered", "no address"],
    requires: "notifications:read",
    empties: true
  },
  {
    path: `/messages/${notificationId}`,
    heading: "Messages / customer c-77 filtered",
    shows: ["The email was not sent: the recipient’s choice or profile: no address.", "pending"],
    requires: "notifications:read"
  },
  {
    path: "/errors",
    heading: "Errors",
    shows: ["RangeError: quantity is negative", "storefront@4.1.0"],
    requires: "observability:read",
    empties: true
  },
  {
    path: "/audit?targetType=flag",
    heading: "Audit log",
    shows: ["flag.created", "pay-later", "checkpoint 1"],
    requires: "audit:read"
  },
  { path: "/keys", heading: "Keys", shows: ["operator", "search:read"], requires: "platform:read" }
]
