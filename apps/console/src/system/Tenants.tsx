import { call } from "../api/call.ts"
import { Badge } from "../ui/Badge.tsx"
import { DataTable, More } from "../ui/DataTable.tsx"
import { pageQuery, useList } from "../ui/lists.ts"
import { Section } from "../ui/Page.tsx"
import { Empty, Listed } from "../ui/States.tsx"
import { Time } from "../ui/Time.tsx"

/** The tenants of the installation by name and state. Their rows need a key of the tenant. */
export function Tenants() {
  const list = useList(["system", "tenants"], (cursor, signal) =>
    call("GET /v1/platform/tenants", { query: pageQuery(cursor), signal })
  )
  return (
    <Section title="Tenants">
      <Listed
        list={list}
        empty={
          <Empty title="There is no tenant">
            Make one: <code className="font-mono text-xs">hypermarket tenants create &lt;tenant&gt;</code>
          </Empty>
        }
      >
        <DataTable
          label="Tenants"
          rows={list.items}
          keyOf={({ tenantId }) => tenantId}
          columns={[
            {
              name: "tenant",
              label: "Tenant",
              width: "280px",
              cell: ({ tenantId }) => <span className="font-mono text-xs">{tenantId}</span>
            },
            { name: "name", label: "Name", cell: ({ name }) => name },
            { name: "plan", label: "Plan", width: "140px", cell: ({ plan }) => plan },
            {
              name: "state",
              label: "State",
              width: "120px",
              cell: ({ status }) => <Badge tone={status === "active" ? "good" : "warn"}>{status}</Badge>
            },
            {
              name: "since",
              label: "Since",
              width: "140px",
              cell: ({ recordedAt }) => <Time at={recordedAt} />
            }
          ]}
        />
        <More list={list} />
      </Listed>
    </Section>
  )
}
