import { call } from "../../api/call.ts"
import type { Success } from "../../api/Endpoints.ts"
import { textOf, useAddress } from "../../ui/address.ts"
import { Badge } from "../../ui/Badge.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { count, cx, span } from "../../ui/Format.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Section } from "../../ui/Page.tsx"
import { Side } from "../../ui/Side.tsx"
import { Empty, Listed } from "../../ui/States.tsx"

type Policy = Success<"GET /v1/quotas/policies">["items"][number]

const rateOf = ({ burst, kind, periodMillis, quota }: Policy): string => {
  const period = span(periodMillis / 1_000)
  if (kind === "concurrency") return `${count(quota)} at the same time, each for ${period} at most`
  return `${count(quota)} in ${period}${kind === "gcra" && burst !== quota ? `, ${count(burst)} at once` : ""}`
}

function Overrides({ onClose, policy }: { readonly policy: string; readonly onClose: () => void }) {
  const list = useList(["quotas", "policies", policy, "overrides"], (cursor, signal) =>
    call("GET /v1/quotas/policies/:policy/overrides", {
      params: { policy },
      query: pageQuery(cursor),
      signal
    })
  )
  return (
    <Side
      label="Overrides"
      onClose={onClose}
      title={<p className="text-sm font-medium">Overrides of {policy}</p>}
    >
      <Listed list={list} empty={<p className="text-soft text-sm">No subject has a quota of its own.</p>}>
        <ul className="space-y-3">
          {list.items.map(({ bypass, overrideId, quota, reason, subject }) => (
            <li key={overrideId} className="text-sm">
              <p className="flex flex-wrap items-center gap-2">
                <span className="font-mono text-xs">
                  {Object.entries(subject)
                    .map(([part, value]) => `${part} ${value}`)
                    .join(", ")}
                </span>
                <Badge tone={bypass ? "warn" : "plain"}>
                  {bypass ? "not limited" : quota === null ? "another burst" : count(quota)}
                </Badge>
              </p>
              <p className="text-soft text-xs">{reason}</p>
            </li>
          ))}
        </ul>
        <More list={list} />
      </Listed>
    </Side>
  )
}

/** The rate limits of the tenant. Those of the installation are its operator's. */
export function RatePolicies() {
  const [raw, change] = useAddress()
  const open = textOf(raw, "policy")
  const list = useList(["quotas", "policies"], (cursor, signal) =>
    call("GET /v1/quotas/policies", { query: pageQuery(cursor), signal })
  )
  return (
    <Section title="Rate limits" note="Exact over all processes">
      <Listed
        list={list}
        empty={
          <Empty title="There is no rate limit">
            <code className="font-mono text-xs">POST /v1/quotas/policies</code> makes one, per user, key,
            route or address.
          </Empty>
        }
      >
        <div
          className={cx("grid items-start gap-4", open !== undefined && "xl:grid-cols-[minmax(0,1fr)_380px]")}
        >
          <div className="min-w-0">
            <DataTable
              label="Rate limits"
              rows={list.items}
              keyOf={({ policy }) => policy}
              current={open}
              placeOf={({ policy }) => ({ to: "/limits", search: { policy } })}
              columns={[
                {
                  name: "policy",
                  label: "Policy",
                  cell: ({ fallback, policy, shadow }) => (
                    <span className="flex items-center gap-2">
                      <span className="font-medium">{policy}</span>
                      {fallback ? <Badge>fallback</Badge> : null}
                      {shadow ? <Badge tone="warn">counts only</Badge> : null}
                    </span>
                  )
                },
                { name: "kind", label: "Kind", width: "110px", cell: ({ kind }) => kind },
                { name: "rate", label: "Allows", cell: rateOf },
                {
                  name: "by",
                  label: "Per",
                  width: "140px",
                  cell: ({ by }) => (by.length === 0 ? "the tenant" : by.join(", "))
                },
                {
                  name: "unavailable",
                  label: "Database unavailable",
                  width: "160px",
                  cell: ({ whenUnavailable }) => (whenUnavailable === "open" ? "goes on alone" : "refuses")
                }
              ]}
            />
            <More list={list} />
          </div>
          {open === undefined ? null : (
            <Overrides policy={open} onClose={() => change({ policy: undefined })} />
          )}
        </div>
      </Listed>
    </Section>
  )
}
