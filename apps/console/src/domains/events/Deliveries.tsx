import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { RotateCcw } from "lucide-react"
import { call } from "../../api/call.ts"
import { Act } from "../../ui/Act.tsx"
import { oneOf, textOf, useAddress } from "../../ui/address.ts"
import { Badge } from "../../ui/Badge.tsx"
import { Copy } from "../../ui/Copy.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { cx } from "../../ui/Format.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { pollMillis } from "../../ui/polling.ts"
import { Loaded } from "../../ui/Loaded.tsx"
import { Outcome } from "../../ui/Outcome.tsx"
import { Section } from "../../ui/Page.tsx"
import { Segments } from "../../ui/Segments.tsx"
import { Side } from "../../ui/Side.tsx"
import { Source } from "../../ui/Source.tsx"
import { Empty, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { Withheld } from "../../ui/Withheld.tsx"
import { type Delivery, deliveryTones, webhookPlace } from "./webhookData.ts"

const states = ["waiting", "sending", "delivered", "dead"] as const

const resultOf = ({ error, status }: { readonly status: number | null; readonly error: string | null }) =>
  error ?? (status === null ? "no answer" : `answered ${status}`)

/** A delivery with each of its attempts, the newest first. */
function Attempts({ delivery, onClose }: { readonly delivery: Delivery; readonly onClose: () => void }) {
  const queries = useQueryClient()
  const { deliveryId, endpointId } = delivery
  const attempts = useQuery({
    queryKey: ["webhooks", endpointId, "attempts", deliveryId],
    refetchInterval: pollMillis,
    queryFn: ({ signal }) =>
      call("GET /v1/events/webhooks/:endpointId/deliveries/:deliveryId/attempts", {
        params: { endpointId, deliveryId },
        signal
      })
  })
  const replaying = useMutation({
    mutationFn: () =>
      call("POST /v1/events/webhooks/:endpointId/replay", {
        params: { endpointId },
        payload: {
          deliveryIds: [deliveryId],
          ...(delivery.state === "sending" ? {} : { state: delivery.state })
        }
      }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["webhooks"] })
  })
  return (
    <Side
      label="Delivery"
      onClose={onClose}
      title={
        <>
          <p className="truncate font-mono text-sm font-medium">{delivery.type}</p>
          <Copy text={delivery.messageId} />
        </>
      }
    >
      <p className="text-soft mb-3 text-xs">
        Event <Copy text={delivery.eventId} /> of {delivery.source}
      </p>
      <Loaded query={attempts} rows={3}>
        {({ items }) =>
          items.length === 0 ? (
            <p className="text-soft text-sm">No attempt is kept: they are deleted after 30 days.</p>
          ) : (
            <ol className="space-y-4">
              {items.toReversed().map((attempt) => (
                <li key={attempt.number}>
                  <p className="flex flex-wrap items-center gap-2 text-sm">
                    <b className="font-medium">Attempt {attempt.number}</b>
                    <Badge tone={attempt.error === null ? "good" : "bad"}>{resultOf(attempt)}</Badge>
                    <span className="text-soft num text-xs">{attempt.durationMillis} ms</span>
                    <span className="text-soft text-xs">
                      <Time at={attempt.attemptedAt} />
                    </span>
                  </p>
                  <Withheld scopes={attempt.withheld} what="The answer is" />
                  {attempt.answer === null || attempt.answer === "" ? null : (
                    <div className="mt-1.5">
                      <Source label={`Answer to attempt ${attempt.number}`} text={attempt.answer} />
                    </div>
                  )}
                </li>
              ))}
            </ol>
          )
        }
      </Loaded>
      <div className="mt-4 flex items-center gap-2">
        <Act
          scope="events:admin"
          disabled={replaying.isPending || delivery.state === "sending"}
          onClick={() => replaying.mutate()}
        >
          <RotateCcw size={14} aria-hidden />
          Replay this delivery
        </Act>
        <Outcome acting={replaying} done="replayed" />
      </div>
    </Side>
  )
}

/** The deliveries of an endpoint, the newest first. */
export function Deliveries({ endpointId }: { readonly endpointId: string }) {
  const [raw, change] = useAddress()
  const state = oneOf(raw, "state", states)
  const open = textOf(raw, "delivery")
  const list = useList(
    ["webhooks", endpointId, "deliveries", state],
    (cursor, signal) =>
      call("GET /v1/events/webhooks/:endpointId/deliveries", {
        params: { endpointId },
        query: { ...pageQuery(cursor), ...(state === undefined ? {} : { state }) },
        signal
      }),
    { polls: true }
  )
  const current = list.items.find(({ deliveryId }) => deliveryId === open)
  return (
    <Section
      title="Deliveries"
      side={
        <Segments
          label="State"
          value={state ?? "all"}
          onChange={(next) => change({ state: next === "all" ? undefined : next, delivery: undefined })}
          options={(["all", ...states] as const).map((value) => ({ value, label: value }))}
        />
      }
    >
      <Listed
        list={list}
        empty={
          <Empty title={state === undefined ? "Nothing was delivered yet" : `No delivery is ${state}`}>
            An event that the filters match becomes a delivery when it is published.
          </Empty>
        }
      >
        <div
          className={cx(
            "grid items-start gap-4",
            current !== undefined && "xl:grid-cols-[minmax(0,1fr)_430px]"
          )}
        >
          <div className="min-w-0">
            <DataTable
              label="Deliveries"
              rows={list.items}
              keyOf={({ deliveryId }) => deliveryId}
              current={open}
              placeOf={({ deliveryId }) => ({
                ...webhookPlace(endpointId),
                search: { ...raw, delivery: deliveryId }
              })}
              columns={[
                {
                  name: "type",
                  label: "Event",
                  cell: ({ subject, type }) => (
                    <span className="font-mono text-xs">
                      {type}
                      {subject === null ? "" : ` · ${subject}`}
                    </span>
                  )
                },
                {
                  name: "state",
                  label: "State",
                  width: "110px",
                  cell: (row) => <Badge tone={deliveryTones[row.state]}>{row.state}</Badge>
                },
                {
                  name: "last",
                  label: "Last result",
                  cell: ({ attempts, lastError, lastStatus }) => (
                    <span className="text-soft text-xs">
                      {attempts === 0 ? "not tried yet" : resultOf({ status: lastStatus, error: lastError })}
                    </span>
                  )
                },
                {
                  name: "attempts",
                  label: "Attempts",
                  right: true,
                  width: "90px",
                  cell: ({ attempts }) => attempts
                },
                {
                  name: "at",
                  label: "Published",
                  width: "120px",
                  cell: ({ recordedAt }) => <Time at={recordedAt} />
                }
              ]}
            />
            <More list={list} />
          </div>
          {current === undefined ? null : (
            <Attempts delivery={current} onClose={() => change({ delivery: undefined })} />
          )}
        </div>
      </Listed>
    </Section>
  )
}
