import { useQuery } from "@tanstack/react-query"
import { call } from "../../api/call.ts"
import type { Success } from "../../api/Endpoints.ts"
import { oneOf, textOf, useAddress } from "../../ui/address.ts"
import { Badge } from "../../ui/Badge.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { count, date, money, shiftDay } from "../../ui/Format.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Page, Section } from "../../ui/Page.tsx"
import { PageLink } from "../../ui/PageLink.tsx"
import { Segments } from "../../ui/Segments.tsx"
import { Empty, Failure, Skeleton } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"

type Close = Success<"GET /v1/analytics/closes">["items"][number]
type Cell = Success<"GET /v1/analytics/closes/:closeId/restatement">["cells"][number]

const grains = ["day", "region", "seller", "category"] as const

type Grain = (typeof grains)[number]

const nameOf = (cell: Cell, by: Grain): string =>
  by === "day" ? cell.day : by === "seller" ? cell.sellerId : by === "region" ? cell.region : cell.category

const signed = (amount: string, currency: string): string => {
  const text = money({ amount, currency })
  return amount.startsWith("-") || amount === "0" ? text : `+${text}`
}

const periodOf = ({ fromDay, untilDay }: Close): string =>
  shiftDay(fromDay, 1) === untilDay ? date(fromDay) : `${date(fromDay)} to ${date(shiftDay(untilDay, -1))}`

function Restatement({ close }: { readonly close: Close }) {
  const [raw, change] = useAddress()
  const by = oneOf(raw, "by", grains) ?? "day"
  const restated = useQuery({
    queryKey: ["closes", close.closeId, by],
    queryFn: ({ signal }) =>
      call("GET /v1/analytics/closes/:closeId/restatement", {
        params: { closeId: close.closeId },
        query: { by },
        signal
      })
  })
  const { data } = restated
  return (
    <Section
      title={`What changed since ${periodOf(close)} was closed`}
      side={
        <Segments
          label="By"
          value={by}
          options={grains.map((value) => ({ value, label: value.charAt(0).toUpperCase() + value.slice(1) }))}
          onChange={(value) => change({ by: value })}
        />
      }
    >
      {restated.isError ? (
        <Failure error={restated.error} retry={() => void restated.refetch()} />
      ) : data === undefined ? (
        <Skeleton rows={4} />
      ) : data.cells.length === 0 ? (
        <Empty title="Nothing has changed">The figures of now are those that were reported.</Empty>
      ) : (
        <>
          <DataTable
            label="Changes since the close"
            rows={data.cells}
            keyOf={(cell) => `${nameOf(cell, by)} ${cell.channel} ${cell.currency}`}
            columns={[
              {
                name: "name",
                label: by,
                cell: (cell) => <span className="font-medium">{nameOf(cell, by)}</span>
              },
              { name: "orders", label: "Orders", right: true, cell: ({ orders }) => count(orders) },
              { name: "units", label: "Units", right: true, cell: ({ units }) => count(units) },
              {
                name: "gross",
                label: "Gross",
                right: true,
                cell: ({ currency, gross }) => signed(gross, currency)
              },
              {
                name: "discount",
                label: "Discount",
                right: true,
                cell: ({ currency, discount }) => signed(discount, currency)
              },
              {
                name: "refund",
                label: "Refunded",
                right: true,
                cell: ({ currency, refundAmount }) => signed(refundAmount, currency)
              }
            ]}
          />
          {data.isComplete ? null : (
            <p className="text-warn mt-2 text-sm">
              More has changed than the 1,000 cells and 1,000 orders that are listed.
            </p>
          )}
          {data.orders.length === 0 ? null : (
            <p className="text-soft mt-3 text-sm">
              Orders behind it:{" "}
              {data.orders.map(({ orderId, sellerId }) => (
                <PageLink
                  key={`${orderId} ${sellerId}`}
                  to={`/timeline/order/${encodeURIComponent(orderId)}`}
                  className="link mr-2 font-mono text-xs"
                >
                  {orderId}
                </PageLink>
              ))}
            </p>
          )}
        </>
      )}
    </Section>
  )
}

/** The figures that were reported, and the changes since. */
export default function Closes() {
  const [raw] = useAddress()
  const open = textOf(raw, "close")
  const list = useList(["closes"], (cursor, signal) =>
    call("GET /v1/analytics/closes", { query: pageQuery(cursor), signal })
  )
  const close = list.items.find(({ closeId }) => closeId === open)
  return (
    <Page name="Closes" lead="The figures of a day or a month, kept as they were when it was closed">
      {list.isError ? (
        <Failure error={list.error} retry={() => void list.refetch()} />
      ) : list.data === undefined ? (
        <Skeleton />
      ) : list.items.length === 0 ? (
        <Empty title="No period is closed yet">
          A month is closed some days after its end.{" "}
          <code className="font-mono text-xs">POST /v1/analytics/closes</code> closes a day or a month now.
        </Empty>
      ) : (
        <>
          <DataTable
            label="Closes"
            rows={list.items}
            keyOf={({ closeId }) => closeId}
            current={open}
            placeOf={({ closeId }) => ({ to: ".", search: { close: closeId } })}
            columns={[
              {
                name: "period",
                label: "Period",
                cell: (row) => (
                  <span className="flex items-center gap-2">
                    <span className="font-medium">{periodOf(row)}</span>
                    <Badge>{row.period}</Badge>
                  </span>
                )
              },
              {
                name: "cells",
                label: "Cells",
                right: true,
                width: "120px",
                cell: ({ cells }) => count(cells)
              },
              {
                name: "closed",
                label: "Closed",
                width: "160px",
                cell: ({ closedAt }) => <Time at={closedAt} />
              },
              {
                name: "sales",
                label: "Figures",
                width: "190px",
                cell: ({ closeId, closedAt, fromDay, untilDay }) => (
                  <PageLink
                    to="/sales"
                    search={{ from: fromDay, until: untilDay, asOf: closeId, closedAt }}
                    className="link relative z-10"
                  >
                    As they were reported
                  </PageLink>
                )
              }
            ]}
          />
          <More list={list} />
          {close === undefined ? null : <Restatement close={close} />}
        </>
      )}
    </Page>
  )
}
