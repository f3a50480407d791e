import { call } from "../../api/call.ts"
import { oneOf, useAddress } from "../../ui/address.ts"
import { Copy } from "../../ui/Copy.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Section } from "../../ui/Page.tsx"
import { Segments } from "../../ui/Segments.tsx"
import { Failure, Skeleton } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"

const states = ["ready", "running", "delayed", "ordered"] as const

const labels = { ready: "Ready", running: "Running", delayed: "Delayed", ordered: "Behind a key" }

/** The jobs of a queue that are not dead, by their state. */
export function WaitingJobs({ queue }: { readonly queue: string }) {
  const [raw, change] = useAddress()
  const state = oneOf(raw, "state", states) ?? "ready"
  const list = useList(
    ["queues", queue, "jobs", state],
    (cursor, signal) =>
      call("GET /v1/events/queues/:queue/jobs", {
        params: { queue },
        query: { ...pageQuery(cursor), state },
        signal
      }),
    { polls: "unlessLive" }
  )
  return (
    <Section
      title="Jobs"
      side={
        <Segments
          label="State"
          value={state}
          options={states.map((value) => ({ value, label: labels[value] }))}
          onChange={(value) => change({ state: value })}
        />
      }
    >
      {list.isError ? (
        <Failure error={list.error} retry={() => void list.refetch()} />
      ) : list.data === undefined ? (
        <Skeleton rows={3} />
      ) : list.items.length === 0 ? (
        <p className="card text-soft px-4 py-3.5 text-sm">No job is {labels[state].toLowerCase()}.</p>
      ) : (
        <>
          <DataTable
            label={`${labels[state]} jobs`}
            rows={list.items}
            keyOf={({ jobId }) => jobId}
            placeOf={({ jobId }) => ({ to: `/queues/${encodeURIComponent(queue)}/jobs/${jobId}` })}
            columns={[
              {
                name: "type",
                label: "Type",
                cell: ({ type }) => <span className="font-mono text-xs">{type}</span>
              },
              {
                name: "key",
                label: "Ordering key",
                cell: ({ orderingKey }) => <span className="font-mono text-xs">{orderingKey ?? "–"}</span>
              },
              {
                name: "attempt",
                label: "Failed attempts",
                right: true,
                width: "130px",
                cell: ({ attempt }) => attempt
              },
              {
                name: "job",
                label: "Job",
                width: "110px",
                cell: ({ jobId }) => <Copy className="relative z-10" text={jobId} shown={jobId.slice(-8)} />
              },
              {
                name: "runs",
                label: state === "delayed" ? "Runs" : "Enqueued",
                right: true,
                width: "150px",
                cell: ({ recordedAt, runAt }) => (
                  <span className="relative z-10">
                    <Time at={state === "delayed" && runAt !== null ? runAt : recordedAt} />
                  </span>
                )
              }
            ]}
          />
          <More list={list} />
        </>
      )}
    </Section>
  )
}
