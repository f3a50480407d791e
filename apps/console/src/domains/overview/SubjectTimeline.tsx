import { useQuery } from "@tanstack/react-query"
import { useParams } from "@tanstack/react-router"
import { useState } from "react"
import { call } from "../../api/call.ts"
import type { TimelineItem } from "../../Console.ts"
import { placeOf, timelineWords } from "../../registry.ts"
import { useMay } from "../../shell/Access.tsx"
import { oneOf, useAddress } from "../../ui/address.ts"
import { Badge } from "../../ui/Badge.tsx"
import { Copy } from "../../ui/Copy.tsx"
import { More } from "../../ui/DataTable.tsx"
import { cx, utc } from "../../ui/Format.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Page } from "../../ui/Page.tsx"
import { PageLink } from "../../ui/PageLink.tsx"
import { Empty, Failure, Skeleton } from "../../ui/States.tsx"
import { type Moment, Timeline } from "../../ui/Timeline.tsx"
import { tenantZone } from "../analytics/data.ts"
import { OrderHead } from "../analytics/OrderHead.tsx"

const kinds = ["order", "customer", "product", "seller"] as const

const nouns = { order: "Order", customer: "Customer", product: "Product", seller: "Seller" }

/** A run of this many is shown as one. */
const foldFrom = 3
const pageMax = 200
const linksShown = 20

const momentOf = (item: TimelineItem): Moment & { readonly folds: string | undefined } => {
  const words = timelineWords(item)
  return {
    key: `${item.domain}/${item.itemId}`,
    at: item.at,
    icon: words.icon,
    tone: words.tone,
    title:
      words.place === undefined ? (
        words.title
      ) : (
        <PageLink to={words.place.to} search={words.place.search ?? {}} className="link">
          {words.title}
        </PageLink>
      ),
    detail: words.detail,
    side: <Badge>{item.domain}</Badge>,
    folds: words.folds
  }
}

/** Puts runs of one kind together: browsing would bury what matters. */
const fold = (items: ReadonlyArray<TimelineItem>): ReadonlyArray<Moment> => {
  const folded: Array<Moment> = []
  let run: Array<Moment & { readonly folds: string | undefined }> = []
  const end = () => {
    const [first] = run
    if (first === undefined) return
    if (first.folds !== undefined && run.length >= foldFrom) {
      folded.push({ ...first, title: `${first.folds}, ${run.length} times`, detail: undefined, folded: run })
    } else {
      folded.push(...run)
    }
    run = []
  }
  for (const moment of items.map(momentOf)) {
    if (run[0] !== undefined && run[0].folds !== moment.folds) end()
    run.push(moment)
    if (moment.folds === undefined) end()
  }
  end()
  return folded
}

const textOfItems = (items: ReadonlyArray<TimelineItem>): string =>
  items
    .map((item) => {
      const { detail, title } = timelineWords(item)
      return [utc(item.at), item.domain, title, detail]
        .filter((part) => part !== undefined && part !== "")
        .join("  ")
    })
    .join("\n")

function Linked({ items }: { readonly items: ReadonlyArray<TimelineItem> }) {
  const links = new Map(
    items.flatMap(({ links }) => links.map((link) => [`${link.kind} ${link.id}`, link] as const))
  )
  const byKind = Map.groupBy(links.values(), ({ kind }) => kind)
  if (links.size === 0) return null
  return (
    <aside className="card divide-line divide-y" aria-label="Things it names">
      {[...byKind].map(([kind, linked]) => (
        <div key={kind} className="p-4">
          <h2 className="mb-2 capitalize">
            {kind} <span className="num text-soft font-normal">{linked.length}</span>
          </h2>
          <ul className="space-y-1">
            {linked.slice(0, linksShown).map(({ id }) => {
              const place = placeOf(kind, id)
              return (
                <li key={id}>
                  {place === undefined ? (
                    <Copy text={id} />
                  ) : (
                    <PageLink to={place.to} search={place.search ?? {}} className="link font-mono text-xs">
                      {id}
                    </PageLink>
                  )}
                </li>
              )
            })}
          </ul>
          {linked.length > linksShown ? (
            <p className="text-soft mt-1 text-xs">and {linked.length - linksShown} more</p>
          ) : null}
        </div>
      ))}
    </aside>
  )
}

/** Everything that the domains know of one thing, newest first. */
export default function SubjectTimeline() {
  const { id = "", kind: asked = "" } = useParams({ strict: false })
  const [raw, change] = useAddress()
  const [isCopied, setCopied] = useState(false)
  const kind = oneOf({ kind: asked }, "kind", kinds) ?? "order"
  const only = typeof raw["domain"] === "string" ? raw["domain"] : undefined
  const list = useList(
    ["timeline", kind, id],
    (cursor, signal) =>
      call("GET /v1/overview/timeline/:kind/:id", {
        params: { kind, id },
        query: pageQuery(cursor, pageMax),
        signal
      }),
    { polls: true }
  )
  const mayAnalytics = useMay("analytics:read")
  // A key that may not read the zone is shown UTC, which the page says.
  const zone = useQuery({ ...tenantZone, enabled: mayAnalytics }).data?.zone ?? "UTC"
  const missing = list.data?.pages.flatMap((page) => page.missing) ?? []
  const byDomain = Map.groupBy(list.items, ({ domain }) => domain)
  const shown = only === undefined ? list.items : (byDomain.get(only) ?? [])
  return (
    <Page
      name={`${nouns[kind]} ${id}`}
      title={
        <>
          {nouns[kind]} <span className="truncate font-mono text-lg">{id}</span>
        </>
      }
      lead={<Copy text={id} />}
      actions={
        <button
          type="button"
          className="btn"
          disabled={shown.length === 0}
          onClick={() => void navigator.clipboard.writeText(textOfItems(shown)).then(() => setCopied(true))}
        >
          {isCopied ? "Copied" : "Copy as text"}
        </button>
      }
    >
      {list.isError ? <Failure error={list.error} retry={() => void list.refetch()} /> : null}
      {missing.length === 0 ? null : (
        <p role="status" className="text-warn mb-3 text-sm">
          Not in this timeline:{" "}
          {[...new Set(missing.map(({ domain, reason }) => `${domain} (${reason.replace("-", " ")})`))].join(
            ", "
          )}
        </p>
      )}
      {list.data === undefined ? (
        list.isPending ? (
          <Skeleton rows={8} />
        ) : null
      ) : list.items.length === 0 ? (
        <Empty title={`No domain knows of the ${kind} ${id}`}>
          Facts reach the domains within seconds of <code className="font-mono text-xs">POST /v1/events</code>
          .
        </Empty>
      ) : (
        <>
          <div className="mb-3 flex flex-wrap gap-1.5" role="group" aria-label="Domains">
            {[...byDomain].map(([domain, items]) => (
              <button
                key={domain}
                type="button"
                aria-pressed={only === domain}
                className={cx("btn h-7 px-2 text-xs", only === domain && "border-accent bg-accent-soft")}
                onClick={() => change({ domain: only === domain ? undefined : domain })}
              >
                {domain} <span className="num text-soft">{items.length}</span>
              </button>
            ))}
          </div>
          <div className="grid items-start gap-5 xl:grid-cols-[minmax(0,1fr)_300px]">
            <div>
              <Timeline label={`What happened to the ${kind}`} moments={fold(shown)} zone={zone} />
              <p className="text-soft mt-2 text-xs">
                Days and times in {zone === "UTC" ? "UTC" : `${zone}, in UTC on hover`}.
              </p>
              <More list={list} />
            </div>
            <div className="space-y-4">
              {kind === "order" && mayAnalytics && byDomain.has("analytics") ? (
                <OrderHead orderId={id} />
              ) : null}
              <Linked items={list.items} />
            </div>
          </div>
        </>
      )}
    </Page>
  )
}
