import { ChartNoAxesColumn, Lock, ReceiptText, RotateCcw, Truck } from "lucide-react"
import { domain, member, type TimelineItem } from "../../Console.ts"
import { counted, money } from "../../ui/Format.ts"

const amountOf = (item: TimelineItem, name: string): string | undefined => {
  const amount = member(item.data, name)
  const currency = member(item.data, "currency")
  return amount === undefined || currency === undefined ? undefined : money({ amount, currency })
}

const unitsOf = (item: TimelineItem): string => counted(Number(member(item.data, "units") ?? 0), "unit")

export const analytics = domain({
  name: "analytics",
  group: "Sell",
  pages: [
    {
      path: "/sales",
      label: "Sales",
      icon: ChartNoAxesColumn,
      key: "s",
      requires: "analytics:read",
      load: () => import("./Sales.tsx")
    },
    {
      path: "/sales/closes",
      label: "Closes",
      icon: Lock,
      key: "c",
      requires: "analytics:read",
      load: () => import("./Closes.tsx")
    }
  ],
  lookups: {
    order: (id) => ({ to: `/timeline/order/${encodeURIComponent(id)}` }),
    seller: (id) => ({ to: "/sales", search: { filter: `seller:${id}`, by: "category" } })
  },
  timeline: {
    "order.placed": (item) => ({
      icon: ReceiptText,
      tone: "accent",
      title: `Order placed: ${counted(Number(member(item.data, "lines") ?? 0), "line")}, ${unitsOf(item)}`,
      detail: `${amountOf(item, "gross") ?? "–"} gross, ${amountOf(item, "discount") ?? "–"} discount. It is in every figure of its day.`
    }),
    "order.shipped": (item) => ({
      icon: Truck,
      tone: "good",
      title: `Shipped: ${unitsOf(item)}`,
      detail: `Shipment ${member(item.data, "id") ?? ""}`
    }),
    "order.refunded": (item) => ({
      icon: RotateCcw,
      tone: "warn",
      title: `Refunded: ${unitsOf(item)}`,
      detail: `Refund ${member(item.data, "id") ?? ""}`
    })
  }
})
