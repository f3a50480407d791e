import { useQuery } from "@tanstack/react-query"
import { call } from "../../api/call.ts"
import { oneOf, textOf, useAddress } from "../../ui/address.ts"
import { Badge } from "../../ui/Badge.tsx"
import { DataTable } from "../../ui/DataTable.tsx"
import { count } from "../../ui/Format.ts"
import { Page } from "../../ui/Page.tsx"
import { Segments } from "../../ui/Segments.tsx"
import { Empty, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"

const listed = 200
const shows = [
  { value: "all", label: "All" },
  { value: "empty", label: "Without results" }
] as const

/** The commonest queries, and those that find nothing now. */
export default function Queries() {
  const [raw, change] = useAddress()
  const index = textOf(raw, "index") ?? "products"
  const show = oneOf(raw, "show", ["all", "empty"]) ?? "all"
  const queries = useQuery({
    queryKey: ["search", index, "queries", show],
    queryFn: ({ signal }) =>
      call("GET /v1/search/indexes/:indexName/queries", {
        params: { indexName: index },
        query: { limit: String(listed), withoutResults: show === "empty" ? "true" : "false" },
        signal
      })
  })
  const items = queries.data?.items ?? []
  return (
    <Page
      name="Search queries"
      lead={`What people search for in ${index}, and how many documents each query finds now`}
      actions={
        <Segments label="Show" value={show} options={shows} onChange={(value) => change({ show: value })} />
      }
    >
      <Listed
        list={{ ...queries, items }}
        empty={
          <Empty title={show === "empty" ? "Every query finds something" : "No query is recorded yet"}>
            Searches are recorded as they are made, and with{" "}
            <code className="font-mono text-xs">POST /v1/search/events</code>.
          </Empty>
        }
      >
        <DataTable
          label="Search queries"
          rows={items}
          keyOf={({ query }) => query}
          placeOf={({ query }) => ({ to: "/search", search: { q: query, index } })}
          columns={[
            {
              name: "query",
              label: "Query",
              cell: ({ query }) => <span className="font-medium">{query}</span>
            },
            {
              name: "searches",
              label: "Searches",
              right: true,
              width: "130px",
              cell: ({ searches }) => count(searches)
            },
            {
              name: "found",
              label: "Finds now",
              right: true,
              width: "130px",
              cell: ({ found }) => (found === 0 ? <Badge tone="bad">nothing</Badge> : count(found))
            },
            {
              name: "at",
              label: "Last searched",
              width: "170px",
              cell: ({ searchedAt }) => (
                <span className="relative z-10">
                  <Time at={searchedAt} />
                </span>
              )
            }
          ]}
        />
      </Listed>
    </Page>
  )
}
