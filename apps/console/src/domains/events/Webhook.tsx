import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useParams } from "@tanstack/react-router"
import { Pause, Play, RotateCcw, Send } from "lucide-react"
import { useState } from "react"
import { call } from "../../api/call.ts"
import { Act } from "../../ui/Act.tsx"
import { Badge } from "../../ui/Badge.tsx"
import { Copy } from "../../ui/Copy.tsx"
import { Crumbs } from "../../ui/Crumbs.tsx"
import { Dialog } from "../../ui/Dialog.tsx"
import { Facts } from "../../ui/Facts.tsx"
import { counted } from "../../ui/Format.ts"
import { Loaded } from "../../ui/Loaded.tsx"
import { Outcome } from "../../ui/Outcome.tsx"
import { Page } from "../../ui/Page.tsx"
import { Time } from "../../ui/Time.tsx"
import { Deliveries } from "./Deliveries.tsx"
import { stateOfWebhook, type Webhook } from "./webhookData.ts"
import { pollMillis } from "../../ui/polling.ts"

function Actions({ onReplay, webhook }: { readonly webhook: Webhook; readonly onReplay: () => void }) {
  const queries = useQueryClient()
  const params = { endpointId: webhook.endpointId }
  const isEnabled = webhook.status === "enabled"
  const acting = useMutation({
    mutationFn: (act: "test" | "switch"): Promise<unknown> =>
      act === "test"
        ? call("POST /v1/events/webhooks/:endpointId/test", { params })
        : call(
            isEnabled
              ? "POST /v1/events/webhooks/:endpointId/pause"
              : "POST /v1/events/webhooks/:endpointId/enable",
            { params }
          ),
    onSettled: () => queries.invalidateQueries({ queryKey: ["webhooks"] })
  })
  return (
    <>
      <Outcome acting={acting} {...(acting.variables === "test" ? { done: "A test is on its way" } : {})} />
      <Act scope="events:admin" disabled={acting.isPending} onClick={() => acting.mutate("test")}>
        <Send size={14} aria-hidden />
        Send a test
      </Act>
      <Act scope="events:admin" disabled={acting.isPending} onClick={() => acting.mutate("switch")}>
        {isEnabled ? <Pause size={14} aria-hidden /> : <Play size={14} aria-hidden />}
        {isEnabled ? "Pause" : "Enable"}
      </Act>
      <Act scope="events:admin" onClick={onReplay}>
        <RotateCcw size={14} aria-hidden />
        Replay the dead
      </Act>
    </>
  )
}

const longAgo = "1970-01-01T00:00:00Z"

/** One endpoint: whether it delivers, each delivery, and each attempt of it. */
export default function WebhookPage() {
  const { endpointId = "" } = useParams({ strict: false })
  const params = { endpointId }
  const queries = useQueryClient()
  const [isAsking, setAsking] = useState(false)
  const webhook = useQuery({
    queryKey: ["webhooks", endpointId],
    refetchInterval: pollMillis,
    queryFn: ({ signal }) => call("GET /v1/events/webhooks/:endpointId", { params, signal })
  })
  const replaying = useMutation({
    mutationFn: () =>
      call("POST /v1/events/webhooks/:endpointId/replay", {
        params,
        payload: { state: "dead", since: longAgo }
      }),
    onSuccess: () => {
      setAsking(false)
      return queries.invalidateQueries({ queryKey: ["webhooks"] })
    }
  })
  return (
    <Page
      name="Webhook"
      title={
        <Crumbs to="/webhooks" list="Webhooks" name={webhook.data?.url ?? endpointId}>
          {webhook.data === undefined ? null : (
            <Badge tone={stateOfWebhook(webhook.data).tone}>{webhook.data.status}</Badge>
          )}
        </Crumbs>
      }
      lead={<Copy text={endpointId} />}
      actions={
        webhook.data === undefined ? null : (
          <Actions webhook={webhook.data} onReplay={() => setAsking(true)} />
        )
      }
    >
      <Loaded query={webhook}>
        {(data) => (
          <>
            <div className="card p-4">
              <Facts
                facts={[
                  ["State", stateOfWebhook(data).label],
                  ["Last failure", data.lastError ?? "none since the last success"],
                  ["Failing since", data.failingSince === null ? "–" : <Time at={data.failingSince} />],
                  [
                    "Waiting",
                    data.waiting >= 1_000
                      ? "1,000 deliveries or more"
                      : counted(data.waiting, "delivery", "deliveries")
                  ],
                  ["Takes", data.filters.length === 0 ? "every event" : JSON.stringify(data.filters)],
                  [
                    "Format",
                    `${data.format}${data.ordered ? ", in the order of publishing per subject" : ""}`
                  ],
                  ["Changed", <Time key="changed" at={data.updatedAt} />]
                ]}
              />
            </div>
            {replaying.data === undefined ? null : (
              <p role="status" className="bg-good-soft text-good mt-3 rounded-md px-3 py-2 text-sm">
                {counted(replaying.data.replayed, "delivery", "deliveries")} replayed.
              </p>
            )}
            <Deliveries endpointId={endpointId} />
          </>
        )}
      </Loaded>
      <Dialog
        open={isAsking}
        title="Replay the dead deliveries"
        act="Replay"
        onClose={() => setAsking(false)}
        onAct={() => replaying.mutate()}
        isBusy={replaying.isPending}
        error={replaying.error}
      >
        <p>
          Each is sent again with all of its attempts, at most 10,000 at a time. The receiver knows a message
          that it had by its <code className="font-mono text-xs">webhook-id</code>.
        </p>
      </Dialog>
    </Page>
  )
}
