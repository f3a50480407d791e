import { useQuery } from "@tanstack/react-query"
import { call } from "../../api/call.ts"
import type { Success } from "../../api/Endpoints.ts"
import { Badge } from "../../ui/Badge.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { count, cx, date } from "../../ui/Format.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { pollMillis } from "../../ui/polling.ts"
import { Section } from "../../ui/Page.tsx"
import { Empty, Failure, Listed } from "../../ui/States.tsx"

type Feature = Success<"GET /v1/quotas/features">["items"][number]
type Use = Success<"POST /v1/quotas/check">["items"][number]

/** One question is about at most this many features. */
const checkMax = 50

/** From here a limit is near. */
const nearShare = 0.9

function Bar({ quota, used }: { readonly used: number; readonly quota: number }) {
  const share = quota === 0 ? 1 : Math.min(used / quota, 1)
  return (
    <span className="flex items-center gap-2">
      <span className="bg-hover h-1.5 w-32 overflow-hidden rounded-full" aria-hidden>
        <span
          className={cx(
            "block h-full rounded-full",
            share >= 1 ? "bg-bad" : share >= nearShare ? "bg-warn" : "bg-accent"
          )}
          style={{ width: `${Math.round(share * 100)}%` }}
        />
      </span>
      <span className="num text-xs">
        {count(used)} of {count(quota)}
      </span>
    </span>
  )
}

function Usage({ feature, use }: { readonly feature: Feature; readonly use: Use | undefined }) {
  if (use === undefined) return <span className="text-soft text-xs">not read</span>
  if (!use.granted) return <span className="text-soft text-xs">no grant is in effect</span>
  if (feature.kind === "boolean")
    return <Badge tone={use.allowed ? "good" : "plain"}>{use.allowed ? "on" : "off"}</Badge>
  if (feature.kind === "static") return <span className="font-mono text-xs">{JSON.stringify(use.value)}</span>
  return <Bar used={use.used + use.held} quota={use.quota} />
}

const periodOf = ({ kind, period }: Feature): string =>
  kind === "metered"
    ? period === null
      ? "without an end"
      : `per ${period.unit}, in ${period.zone}`
    : kind === "concurrent"
      ? "held at the same time"
      : "–"

/** The grants of the tenant’s plans, and how much of each is used now. */
export function Features() {
  const list = useList(["quotas", "features"], (cursor, signal) =>
    call("GET /v1/quotas/features", { query: pageQuery(cursor, checkMax), signal })
  )
  const names = list.items.map(({ feature }) => feature)
  const use = useQuery({
    queryKey: ["quotas", "use", names],
    enabled: names.length > 0,
    refetchInterval: pollMillis,
    queryFn: async ({ signal }) => {
      const pages = Array.from({ length: Math.ceil(names.length / checkMax) }, (_, page) =>
        names.slice(page * checkMax, (page + 1) * checkMax)
      )
      const answers = await Promise.all(
        pages.map((page) =>
          call("POST /v1/quotas/check", { payload: { items: page.map((feature) => ({ feature })) }, signal })
        )
      )
      return new Map(answers.flatMap(({ items }) => items.map((item) => [item.feature, item] as const)))
    }
  })
  return (
    <Section title="Quotas" note="Of the tenant itself, in the period of now">
      {use.isError ? <Failure error={use.error} retry={() => void use.refetch()} /> : null}
      <Listed
        list={list}
        empty={
          <Empty title="There is no quota">
            <code className="font-mono text-xs">POST /v1/quotas/features</code> makes one: on or off, a value,
            usage per period, or what is held at the same time.
          </Empty>
        }
      >
        <DataTable
          label="Quotas"
          rows={list.items}
          keyOf={({ feature }) => feature}
          columns={[
            {
              name: "feature",
              label: "Feature",
              cell: ({ feature, kind, soft }) => (
                <span className="flex items-center gap-2">
                  <span className="font-mono text-xs font-medium">{feature}</span>
                  <Badge>{kind}</Badge>
                  {soft ? <Badge tone="accent">may go over</Badge> : null}
                </span>
              )
            },
            {
              name: "use",
              label: "Used",
              cell: (feature) => <Usage feature={feature} use={use.data?.get(feature.feature)} />
            },
            {
              name: "held",
              label: "Held",
              right: true,
              width: "80px",
              cell: ({ feature }) => count(use.data?.get(feature)?.held ?? 0)
            },
            {
              name: "period",
              label: "Period",
              cell: (feature) => <span className="text-soft text-xs">{periodOf(feature)}</span>
            },
            {
              name: "end",
              label: "Ends",
              width: "120px",
              cell: ({ feature }) => {
                const end = use.data?.get(feature)?.periodEnd
                return end === undefined || end === null ? "–" : date(end)
              }
            }
          ]}
        />
        <More list={list} />
      </Listed>
    </Section>
  )
}
