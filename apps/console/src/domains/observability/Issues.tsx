import { call } from "../../api/call.ts"
import { oneOf, textOf, useAddress } from "../../ui/address.ts"
import { Badge } from "../../ui/Badge.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { count } from "../../ui/Format.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Page } from "../../ui/Page.tsx"
import { Segments } from "../../ui/Segments.tsx"
import { Empty, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { issuePlace, stateOfIssue } from "./data.ts"

const statuses = ["unresolved", "resolved", "muted"] as const
const sorts = ["last seen", "events", "users"] as const

/** Errors by their cause: how often, for how many, since which release. */
export default function Issues() {
  const [raw, change] = useAddress()
  const status = oneOf(raw, "status", statuses) ?? "unresolved"
  const sort = oneOf(raw, "sort", sorts) ?? "last seen"
  const query = textOf(raw, "q")
  const list = useList(
    ["issues", status, sort, query],
    (cursor, signal) =>
      call("GET /v1/observability/issues", {
        query: { ...pageQuery(cursor), status, sort, ...(query === undefined ? {} : { query }) },
        signal
      }),
    { polls: true }
  )
  return (
    <Page name="Errors" lead="Events with one cause are one issue, across releases">
      <div className="mb-3 flex flex-wrap items-center gap-2">
        <input
          type="search"
          className="field w-72"
          aria-label="Part of the title or place"
          placeholder="Part of the title or place"
          value={query ?? ""}
          onChange={(event) => change({ q: event.target.value })}
        />
        <Segments
          label="Status"
          value={status}
          onChange={(next) => change({ status: next })}
          options={statuses.map((value) => ({ value, label: value }))}
        />
        <span className="ml-auto">
          <Segments
            label="Order"
            value={sort}
            onChange={(next) => change({ sort: next })}
            options={sorts.map((value) => ({ value, label: `by ${value}` }))}
          />
        </span>
      </div>
      <Listed
        list={list}
        empty={
          <Empty title={query === undefined ? `No issue is ${status}` : "No issue matches"}>
            A Sentry SDK with the project’s DSN reports here. Applications of the shop and its workers can.
          </Empty>
        }
      >
        <DataTable
          label="Issues"
          rows={list.items}
          keyOf={({ issueId }) => issueId}
          placeOf={({ issueId }) => issuePlace(issueId)}
          columns={[
            {
              name: "title",
              label: "Issue",
              cell: ({ culprit, title }) => (
                <span className="block max-w-xl py-1">
                  <span className="block truncate font-medium">{title}</span>
                  <span className="text-soft block truncate font-mono text-xs">{culprit ?? ""}</span>
                </span>
              )
            },
            {
              name: "state",
              label: "State",
              width: "110px",
              cell: (row) => {
                const { label, tone } = stateOfIssue(row)
                return <Badge tone={tone}>{label}</Badge>
              }
            },
            {
              name: "release",
              label: "Since release",
              width: "140px",
              cell: ({ firstRelease }) => (
                <span className="text-soft font-mono text-xs">{firstRelease ?? "–"}</span>
              )
            },
            {
              name: "events",
              label: "Events",
              right: true,
              width: "80px",
              cell: ({ eventCount }) => count(eventCount)
            },
            {
              name: "users",
              label: "Users",
              right: true,
              width: "80px",
              cell: ({ userCount }) => count(userCount)
            },
            {
              name: "last",
              label: "Last seen",
              width: "120px",
              cell: ({ lastSeen }) => <Time at={lastSeen} />
            }
          ]}
        />
        <More list={list} />
      </Listed>
    </Page>
  )
}
