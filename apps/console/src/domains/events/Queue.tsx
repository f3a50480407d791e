import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useParams } from "@tanstack/react-router"
import { Pause, Play, RotateCcw, Trash2 } from "lucide-react"
import { useMemo, useState } from "react"
import { call } from "../../api/call.ts"
import { Act } from "../../ui/Act.tsx"
import { Badge } from "../../ui/Badge.tsx"
import { useNow } from "../../ui/clock.ts"
import { count, counted, cx, span } from "../../ui/Format.ts"
import { LazyChart } from "../../ui/LazyChart.tsx"
import { Page, Section } from "../../ui/Page.tsx"
import { PageLink } from "../../ui/PageLink.tsx"
import { Failure, Skeleton } from "../../ui/States.tsx"
import { lastHour, type Minute, type Queue } from "./data.ts"
import { DeadJobs } from "./DeadJobs.tsx"
import { WaitingJobs } from "./WaitingJobs.tsx"
import { unlessLive } from "../../ui/polling.ts"

const minuteMillis = 60_000

function Figures({ queue }: { readonly queue: Queue }) {
  const figures: ReadonlyArray<readonly [string, string, boolean]> = [
    ["Ready", count(queue.ready), false],
    ["Running", count(queue.leased), false],
    ["Delayed", count(queue.delayed), false],
    ["Oldest waits", queue.oldestAgeSeconds === null ? "–" : span(queue.oldestAgeSeconds), false],
    ["Dead", count(queue.dead), queue.dead > 0]
  ]
  return (
    <dl className="card divide-line grid grid-cols-2 divide-x md:grid-cols-5">
      {figures.map(([label, value, isBad]) => (
        <div key={label} className="px-4 py-3">
          <dt className="text-soft text-xs">{label}</dt>
          <dd className={cx("num text-xl font-semibold tracking-tight", isBad && "text-bad")}>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

const clock = (seconds: number): string => `${new Date(seconds * 1_000).toISOString().slice(11, 16)} UTC`

function Minutes({ minutes, queue }: { readonly queue: string; readonly minutes: ReadonlyArray<Minute> }) {
  const minute = Math.floor(useNow() / minuteMillis)
  const hour = useMemo(() => lastHour(minutes, minute * minuteMillis), [minutes, minute])
  const xs = useMemo(() => hour.map(({ at }) => at), [hour])
  const series = useMemo(
    () => [
      {
        label: "Jobs",
        values: hour.map(({ jobs }) => jobs),
        color: "accent" as const,
        shape: "bars" as const
      },
      {
        label: "Failed",
        values: hour.map(({ failed }) => failed),
        color: "bad" as const,
        shape: "bars" as const
      }
    ],
    [hour]
  )
  const done = hour.reduce((sum, { jobs }) => sum + jobs, 0)
  if (done === 0) {
    return (
      <p className="card text-soft px-4 py-3.5 text-sm">
        No worker has taken a job of this queue in the last hour.
      </p>
    )
  }
  return (
    <div className="card p-4 pb-2">
      <LazyChart
        label={`Jobs per minute of ${queue}`}
        summary={`${counted(done, "job")} in the last hour, ${count(hour.reduce((sum, { failed }) => sum + failed, 0))} failed.`}
        xs={xs}
        series={series}
        height={150}
        format={count}
        formatX={clock}
      />
    </div>
  )
}

function Pausing({ queue }: { readonly queue: Queue }) {
  const queries = useQueryClient()
  const pausing = useMutation({
    mutationFn: () =>
      call(queue.paused ? "POST /v1/events/queues/:queue/resume" : "POST /v1/events/queues/:queue/pause", {
        params: { queue: queue.queue }
      }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["queues"] })
  })
  return (
    <>
      {pausing.isError ? (
        <span role="alert" className="text-bad text-sm">
          {pausing.error.message}
        </span>
      ) : null}
      <Act scope="events:admin" disabled={pausing.isPending} onClick={() => pausing.mutate()}>
        {queue.paused ? <Play size={14} aria-hidden /> : <Pause size={14} aria-hidden />}
        {queue.paused ? "Resume" : "Pause"}
      </Act>
    </>
  )
}

/** One queue: its figures, its last hour, and its dead jobs by what stopped them. */
export default function QueuePage() {
  const { queue: name = "" } = useParams({ strict: false })
  const params = { queue: name }
  const [asking, setAsking] = useState<"redrive" | "discard">()
  const queue = useQuery({
    queryKey: ["queues", name],
    refetchInterval: unlessLive,
    queryFn: ({ signal }) => call("GET /v1/events/queues/:queue", { params, signal })
  })
  const minutes = useQuery({
    queryKey: ["queues", name, "minutes"],
    refetchInterval: unlessLive,
    queryFn: ({ signal }) => call("GET /v1/events/queues/:queue/minutes", { params, signal })
  })
  return (
    <Page
      name={name}
      title={
        <>
          <PageLink to="/queues" className="text-soft hover:text-ink">
            Queues
          </PageLink>
          <span className="text-faint" aria-hidden>
            /
          </span>
          <span className="truncate font-mono text-lg">{name}</span>
          {queue.data?.paused === true ? <Badge tone="warn">paused</Badge> : null}
        </>
      }
      lead={
        queue.data?.paused === true
          ? "Jobs are taken in and kept; no worker claims one until it is resumed."
          : undefined
      }
      actions={
        queue.data === undefined ? null : (
          <>
            <Pausing queue={queue.data} />
            <Act scope="events:admin" disabled={queue.data.dead === 0} onClick={() => setAsking("discard")}>
              <Trash2 size={14} aria-hidden />
              Discard
            </Act>
            <Act
              scope="events:admin"
              primary
              disabled={queue.data.dead === 0}
              onClick={() => setAsking("redrive")}
            >
              <RotateCcw size={14} aria-hidden />
              Redrive
            </Act>
          </>
        )
      }
    >
      {queue.isError ? <Failure error={queue.error} retry={() => void queue.refetch()} /> : null}
      {queue.data === undefined ? (
        queue.isPending ? (
          <Skeleton rows={2} />
        ) : null
      ) : (
        <>
          <Figures queue={queue.data} />
          <Section title="Jobs per minute" note="The last hour">
            {minutes.isError ? (
              <Failure error={minutes.error} retry={() => void minutes.refetch()} />
            ) : (
              <Minutes minutes={minutes.data?.items ?? []} queue={name} />
            )}
          </Section>
          <DeadJobs queue={queue.data} asking={asking} onAsk={setAsking} />
          <WaitingJobs queue={name} />
        </>
      )}
    </Page>
  )
}
