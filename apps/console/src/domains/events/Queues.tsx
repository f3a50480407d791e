import { useQuery } from "@tanstack/react-query"
import { Badge, State } from "../../ui/Badge.tsx"
import { DataTable } from "../../ui/DataTable.tsx"
import { count, cx, span } from "../../ui/Format.ts"
import { Page } from "../../ui/Page.tsx"
import { Empty, Listed } from "../../ui/States.tsx"
import { queues, stateOf } from "./data.ts"
import * as columns from "./queueColumns.tsx"

/** Every queue with the jobs that wait, run and died. */
export default function Queues() {
  const list = useQuery(queues)
  const items = list.data?.items ?? []
  return (
    <Page name="Queues" lead="What waits, what runs and what is dead, of every handler and subscription">
      <Listed
        list={{ ...list, items }}
        empty={
          <Empty title="There is no queue">
            Queues of handlers and subscriptions are here, and others while they have jobs, settings or dead
            jobs. Publish an event with <code className="font-mono text-xs">POST /v1/events</code> to a
            subscription, and its queue is here.
          </Empty>
        }
      >
        <DataTable
          label="Queues"
          rows={items}
          keyOf={({ queue }) => queue}
          placeOf={({ queue }) => ({ to: `/queues/${encodeURIComponent(queue)}` })}
          columns={[
            {
              name: "queue",
              label: "Queue",
              cell: (row) => (
                <span className="flex items-center gap-2.5">
                  <State {...stateOf(row)} />
                  <span className="font-mono text-xs">{row.queue}</span>
                  {row.paused ? <Badge tone="warn">paused</Badge> : null}
                </span>
              )
            },
            columns.ready,
            columns.running,
            columns.delayed,
            columns.oldest,
            columns.dead,
            {
              name: "hour",
              label: "Last hour",
              right: true,
              width: "150px",
              cell: ({ lastHour }) => (
                <span className={cx(lastHour.failed > 0 && "text-bad")}>
                  {count(lastHour.jobs)}
                  {lastHour.failed > 0 ? `, ${count(lastHour.failed)} failed` : ""}
                </span>
              )
            },
            { name: "weight", label: "Weight", right: true, width: "90px", cell: ({ weight }) => weight },
            {
              name: "limits",
              label: "Limits",
              width: "190px",
              cell: ({ concurrencyMax, rate }) => (
                <span className="text-soft text-xs">
                  {[
                    concurrencyMax === null ? undefined : `${count(concurrencyMax)} at a time`,
                    rate === null ? undefined : `${count(rate.max)} per ${span(rate.periodMillis / 1_000)}`
                  ]
                    .filter((text) => text !== undefined)
                    .join(", ") || "none"}
                </span>
              )
            }
          ]}
        />
      </Listed>
    </Page>
  )
}
