import { call } from "../../api/call.ts"
import { Badge, State } from "../../ui/Badge.tsx"
import { Copy } from "../../ui/Copy.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { count } from "../../ui/Format.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Page } from "../../ui/Page.tsx"
import { Empty, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { stateOfWebhook, webhookPlace } from "./webhookData.ts"

/** The endpoints that get the tenant's events by HTTP, and which of them fail. */
export default function Webhooks() {
  const list = useList(
    ["webhooks"],
    (cursor, signal) => call("GET /v1/events/webhooks", { query: pageQuery(cursor), signal }),
    { polls: true }
  )
  return (
    <Page name="Webhooks" lead="Endpoints that get events by HTTP POST, signed">
      <Listed
        list={list}
        empty={
          <Empty title="There is no webhook endpoint">
            <code className="font-mono text-xs">POST /v1/events/webhooks</code> makes one. It is sent every
            event that its filters match, and tried ten times over three days.
          </Empty>
        }
      >
        <DataTable
          label="Webhook endpoints"
          rows={list.items}
          keyOf={({ endpointId }) => endpointId}
          placeOf={({ endpointId }) => webhookPlace(endpointId)}
          columns={[
            {
              name: "url",
              label: "Endpoint",
              cell: (row) => {
                const { label, tone } = stateOfWebhook(row)
                return (
                  <span className="flex min-w-0 items-center gap-2">
                    <State tone={tone} label={label} />
                    <span className="truncate font-mono text-xs">{row.url}</span>
                    {row.ordered ? <Badge>ordered</Badge> : null}
                  </span>
                )
              }
            },
            {
              name: "state",
              label: "State",
              cell: (row) => {
                const { label } = stateOfWebhook(row)
                return (
                  <span className="text-soft text-xs">
                    {label}
                    {row.lastError === null ? "" : `: ${row.lastError}`}
                  </span>
                )
              }
            },
            {
              name: "waiting",
              label: "Waiting",
              right: true,
              width: "90px",
              // The API stops counting there.
              cell: ({ waiting }) => (waiting >= 1_000 ? "1,000+" : count(waiting))
            },
            {
              name: "failing",
              label: "Failing since",
              width: "130px",
              cell: ({ failingSince }) => (failingSince === null ? "–" : <Time at={failingSince} />)
            },
            {
              name: "id",
              label: "Id",
              width: "110px",
              cell: ({ endpointId }) => (
                <span className="relative z-10">
                  <Copy text={endpointId} shown={endpointId.slice(-8)} />
                </span>
              )
            }
          ]}
        />
        <More list={list} />
      </Listed>
    </Page>
  )
}
