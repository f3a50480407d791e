/** The pages of the console, and what each shows of the shop. */
import { deliveryId, endpointId, executionId } from "./shop/events.ts"
import { notificationId } from "./shop/watch.ts"

export interface Expected {
  /** `$name` stands for an id that the API has made. */
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
  {
    path: "",
    heading: "What needs you",
    shows: ["3 jobs of erp-export are dead", "RangeError: quantity is negative is new", "€258.00", "Exact"]
  },
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
    shows: ["Order placed: 1 line, 2 units", "€98.00", "21:00", "Days and times in Asia/Tokyo"]
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
    path: "/flag-requests",
    heading: "Flag changes",
    shows: [
      "live: neighbours to 70 %",
      "scheduled",
      "Wider before the holidays",
      "None: flags change at once."
    ],
    requires: "flags:read",
    empties: true
  },
  {
    path: "/experiments",
    heading: "Experiments",
    shows: ["Larger photos", "small 50.0%, large 50.0%"],
    requires: "experiments:read",
    empties: true
  },
  {
    path: "/experiments/$experimentId",
    heading: "Experiments / Larger photos running",
    shows: ["Larger photos sell more.", "as the weights promise", "small 6, large 6", "Look 1"],
    requires: "experiments:read"
  },
  {
    path: "/risk/decisions",
    heading: "Risk decisions",
    shows: ["try-2002", "LARGE_AMOUNT"],
    requires: "risk:read",
    empties: true
  },
  {
    path: "/risk/decisions/$decisionId",
    heading: "Risk decisions / payment try-2002 review",
    shows: ["large-payment", "number 1 of this signal"],
    requires: "risk:read"
  },
  {
    path: "/risk/rules",
    heading: "Risk rules",
    shows: ["large-payment", "Large payments", "live"],
    requires: "risk:read",
    empties: true
  },
  {
    path: "/policies?policy=vienna-fireworks",
    heading: "Policies",
    shows: ["vienna-fireworks", "AT · fireworks", "Pyrotechnics Act, section 38", "known now"],
    requires: "policy:read",
    empties: true
  },
  {
    path: "/limits?policy=search",
    heading: "Limits",
    shows: ["372 of 400", "240 in 60 s, 60 at once", "Agreed with the partner"],
    requires: "quotas:read",
    empties: true
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
    path: "/errors/$issueId",
    heading: "Errors / RangeError: quantity is negative unresolved",
    shows: ["/app/src/basket.js:31", "addLine", "2, for 2 users"],
    requires: "observability:read"
  },
  {
    path: "/releases",
    heading: "Releases",
    shows: ["storefront@4.1.0"],
    requires: "observability:read",
    empties: true
  },
  {
    path: "/monitors",
    heading: "Monitors",
    shows: ["close-baskets", "15 4 * * *, Europe/Berlin"],
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
