import { useMutation, useQueryClient } from "@tanstack/react-query"
import { Pause, Play } from "lucide-react"
import { call, ifMatch } from "../../api/call.ts"
import type { Success } from "../../api/Endpoints.ts"
import { Act } from "../../ui/Act.tsx"
import { textOf, useAddress } from "../../ui/address.ts"
import { Badge } from "../../ui/Badge.tsx"
import { Copy } from "../../ui/Copy.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Page } from "../../ui/Page.tsx"
import { PageLink } from "../../ui/PageLink.tsx"
import { Empty, Listed } from "../../ui/States.tsx"

type Subscription = Success<"GET /v1/events/subscriptions">["items"][number]

function Actions({ subscription }: { readonly subscription: Subscription }) {
  const queries = useQueryClient()
  const isPaused = subscription.status === "paused"
  const changing = useMutation({
    mutationFn: () =>
      call("PATCH /v1/events/subscriptions/:subscriptionId", {
        params: { subscriptionId: subscription.subscriptionId },
        headers: ifMatch(subscription.version),
        payload: { status: isPaused ? "active" : "paused" }
      }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["subscriptions"] })
  })
  return (
    <span className="flex items-center justify-end gap-2">
      {changing.isError ? (
        <span role="alert" className="text-bad text-xs">
          {changing.error.message}
        </span>
      ) : null}
      <Act scope="events:admin" disabled={changing.isPending} onClick={() => changing.mutate()}>
        {isPaused ? <Play size={14} aria-hidden /> : <Pause size={14} aria-hidden />}
        {isPaused ? "Resume" : "Pause"}
      </Act>
    </span>
  )
}

/** The queue, or the executions that the events start or signal. */
function Sink({ subscription: { queue, workflow } }: { readonly subscription: Subscription }) {
  if (queue !== null) {
    return (
      <PageLink to={`/queues/${encodeURIComponent(queue)}`} className="link font-mono text-xs">
        {queue}
      </PageLink>
    )
  }
  if (workflow === null) return null
  return (
    <span className="text-xs">
      {workflow.signal === undefined ? "starts" : `signals ${workflow.signal} of`}{" "}
      <span className="font-mono">{workflow.name}</span>
    </span>
  )
}

/** Subscriptions, and where their events go. */
export default function Subscriptions() {
  const [raw] = useAddress()
  const list = useList(["subscriptions"], (cursor, signal) =>
    call("GET /v1/events/subscriptions", { query: pageQuery(cursor), signal })
  )
  return (
    <Page
      name="Subscriptions"
      lead="Events of some types, copied to a queue of the tenant or given to a workflow"
    >
      <Listed
        list={list}
        empty={
          <Empty title="There is no subscription">
            <code className="font-mono text-xs">POST /v1/events/subscriptions</code> makes one. Handlers of
            the domains need none.
          </Empty>
        }
      >
        <DataTable
          label="Subscriptions"
          rows={list.items}
          keyOf={({ subscriptionId }) => subscriptionId}
          current={textOf(raw, "subscription")}
          columns={[
            {
              name: "name",
              label: "Name",
              cell: ({ name, ordered, status }) => (
                <span className="flex items-center gap-2">
                  <span className="font-medium">{name}</span>
                  {status === "paused" ? <Badge tone="warn">paused</Badge> : null}
                  {ordered ? <Badge>ordered</Badge> : null}
                </span>
              )
            },
            {
              name: "filters",
              label: "Takes",
              cell: ({ filters }) => (
                <span className="text-soft font-mono text-xs">
                  {filters.length === 0 ? "every event" : JSON.stringify(filters)}
                </span>
              )
            },
            {
              name: "sink",
              label: "Goes to",
              cell: (row) => <Sink subscription={row} />
            },
            {
              name: "id",
              label: "Id",
              width: "110px",
              cell: ({ subscriptionId }) => <Copy text={subscriptionId} shown={subscriptionId.slice(-8)} />
            },
            {
              name: "act",
              label: "Actions",
              right: true,
              width: "140px",
              cell: (row) => <Actions subscription={row} />
            }
          ]}
        />
        <More list={list} />
      </Listed>
    </Page>
  )
}
