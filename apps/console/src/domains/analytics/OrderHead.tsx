import { useQuery } from "@tanstack/react-query"
import { call } from "../../api/call.ts"
import { Badge } from "../../ui/Badge.tsx"
import { Copy } from "../../ui/Copy.tsx"
import { count, money } from "../../ui/Format.ts"
import { PageLink } from "../../ui/PageLink.tsx"
import { Failure, Skeleton } from "../../ui/States.tsx"

const linesShown = 30

/** An order as it is in the figures: its net amount, customer, place and lines. */
export function OrderHead({ orderId }: { readonly orderId: string }) {
  const order = useQuery({
    queryKey: ["order", orderId],
    queryFn: ({ signal }) => call("GET /v1/analytics/orders/:orderId", { params: { orderId }, signal })
  })
  if (order.isError) return <Failure error={order.error} />
  if (order.data === undefined) return <Skeleton rows={5} />
  const { channel, currency, customerId, day, lines, region, status, totals } = order.data
  const shown = (amount: string) => (currency === null ? "–" : money({ amount, currency }))
  const kept = lines.filter(({ isRemoved, lineId }) => !isRemoved && lineId !== "")
  const facts: ReadonlyArray<readonly [string, string]> = [
    ["Day", day ?? "–"],
    ["Region", region ?? "–"],
    ["Channel", channel ?? "–"],
    ["Gross", shown(totals.gross)],
    ["Discount", shown(totals.discount)],
    ["Cancelled", shown(totals.cancelledAmount)],
    ["Refunded", shown(totals.refundAmount)]
  ]
  return (
    <section className="card divide-line divide-y" aria-label="The order in the figures">
      <div className="p-4">
        <p className="text-soft flex items-center gap-2 text-xs">
          Net revenue <Badge tone={status === "placed" ? "good" : "warn"}>{status}</Badge>
        </p>
        <p className="num text-2xl font-semibold tracking-tight">{shown(totals.net)}</p>
        <dl className="mt-2 grid grid-cols-[auto_1fr] gap-x-4 gap-y-1 text-sm">
          <dt className="text-soft">Customer</dt>
          <dd className="text-right">
            {customerId === null ? (
              "a guest"
            ) : (
              <PageLink
                to={`/timeline/customer/${encodeURIComponent(customerId)}`}
                className="link font-mono text-xs"
              >
                {customerId}
              </PageLink>
            )}
          </dd>
          {facts.map(([label, value]) => (
            <div key={label} className="contents">
              <dt className="text-soft">{label}</dt>
              <dd className="num text-right">{value}</dd>
            </div>
          ))}
        </dl>
      </div>
      <div className="p-4">
        <h2 className="mb-2">
          Lines <span className="num text-soft font-normal">{count(kept.length)}</span>
        </h2>
        <ul className="space-y-1.5">
          {kept.slice(0, linesShown).map(({ category, gross, lineId, productId, units }) => (
            <li key={lineId} className="grid grid-cols-[28px_1fr_auto] gap-2 text-sm">
              <span className="num text-soft">{units}×</span>
              <span className="min-w-0">
                <Copy text={productId} />
                <span className="text-soft block truncate text-xs">{category}</span>
              </span>
              <span className="num">{shown(gross)}</span>
            </li>
          ))}
        </ul>
        {kept.length > linesShown ? (
          <p className="text-soft mt-2 text-xs">and {kept.length - linesShown} more</p>
        ) : null}
      </div>
    </section>
  )
}
