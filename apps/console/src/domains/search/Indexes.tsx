import { call } from "../../api/call.ts"
import { Badge } from "../../ui/Badge.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Page } from "../../ui/Page.tsx"
import { Empty, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"

/** Every index with the version that answers. */
export default function Indexes() {
  const list = useList(["indexes", "list"], (cursor, signal) =>
    call("GET /v1/search/indexes", { query: pageQuery(cursor), signal })
  )
  return (
    <Page name="Search indexes" lead="Which version of each index answers, and which it can go back to">
      <Listed
        list={list}
        empty={
          <Empty title="There is no index">
            Publish a product, and the index <code className="font-mono text-xs">products</code> is made, or
            make one with <code className="font-mono text-xs">POST /v1/search/indexes</code>.
          </Empty>
        }
      >
        <DataTable
          label="Search indexes"
          rows={list.items}
          keyOf={({ indexName }) => indexName}
          placeOf={({ indexName }) => ({ to: `/indexes/${encodeURIComponent(indexName)}` })}
          columns={[
            {
              name: "name",
              label: "Index",
              cell: ({ indexName }) => <span className="font-medium">{indexName}</span>
            },
            {
              name: "active",
              label: "Answers from",
              cell: ({ activeVersion }) => <Badge tone="good">version {activeVersion}</Badge>
            },
            {
              name: "previous",
              label: "Can go back to",
              cell: ({ previousVersion }) => (previousVersion === null ? "–" : `version ${previousVersion}`)
            },
            {
              name: "fields",
              label: "Searches in",
              cell: ({ settings }) => settings.fields.map(({ name }) => name).join(", ")
            },
            {
              name: "automatic",
              label: "New versions",
              cell: ({ automatic }) => (automatic ? "by itself" : "on request")
            },
            {
              name: "updated",
              label: "Changed",
              width: "150px",
              cell: ({ updatedAt }) => <Time at={updatedAt} />
            }
          ]}
        />
        <More list={list} />
      </Listed>
    </Page>
  )
}
