import { useQuery } from "@tanstack/react-query"
import { State } from "../../ui/Badge.tsx"
import { DataTable } from "../../ui/DataTable.tsx"
import { count } from "../../ui/Format.ts"
import { Section } from "../../ui/Page.tsx"
import { PageLink } from "../../ui/PageLink.tsx"
import { Failure, Skeleton } from "../../ui/States.tsx"
import { type Queue, queues, stateOf } from "./data.ts"
import * as columns from "./queueColumns.tsx"

/** More are on their own page. */
const shownMax = 8

/** Dead jobs before jobs that wait, the longest before shorter ones, busy queues before idle ones. */
const compareUrgency = (a: Queue, b: Queue): number =>
  b.dead - a.dead ||
  (b.oldestAgeSeconds ?? 0) - (a.oldestAgeSeconds ?? 0) ||
  b.ready + b.leased - (a.ready + a.leased) ||
  b.lastHour.jobs - a.lastHour.jobs

/** The queues that have something to do, the most urgent first. */
export function RunningQueues() {
  const list = useQuery(queues)
  const items = list.data?.items ?? []
  return (
    <Section
      title="Running"
      note="Queues, now"
      side={
        <PageLink to="/queues" className="link text-sm">
          All queues
        </PageLink>
      }
    >
      {list.isError ? (
        <Failure error={list.error} retry={() => void list.refetch()} />
      ) : list.data === undefined ? (
        <Skeleton rows={3} />
      ) : items.length === 0 ? (
        <p className="card text-soft px-4 py-3.5 text-sm">There is no queue yet.</p>
      ) : (
        <DataTable
          label="Queues"
          rows={items.toSorted(compareUrgency).slice(0, shownMax)}
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
                </span>
              )
            },
            columns.ready,
            columns.running,
            columns.oldest,
            {
              name: "hour",
              label: "Last hour",
              right: true,
              width: "130px",
              cell: ({ lastHour }) => `${count(lastHour.jobs)} done`
            },
            columns.dead
          ]}
        />
      )}
    </Section>
  )
}
