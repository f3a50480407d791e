import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useParams } from "@tanstack/react-router"
import { CircleSlash } from "lucide-react"
import { useState } from "react"
import { call } from "../../api/call.ts"
import { Act } from "../../ui/Act.tsx"
import { Badge, type Tone } from "../../ui/Badge.tsx"
import { Copy } from "../../ui/Copy.tsx"
import { Dialog } from "../../ui/Dialog.tsx"
import { utc } from "../../ui/Format.ts"
import { Json } from "../../ui/Json.tsx"
import { Page, Section } from "../../ui/Page.tsx"
import { PageLink } from "../../ui/PageLink.tsx"
import { Failure, Skeleton } from "../../ui/States.tsx"
import { Attempts } from "./JobPanel.tsx"
import { unlessLive } from "../../ui/polling.ts"

const tones: Readonly<Record<"ready" | "delayed" | "running" | "dead", Tone>> = {
  ready: "plain",
  delayed: "plain",
  running: "accent",
  dead: "bad"
}

/** The payload, which is read when it is asked for: it may hold data of customers. */
function Payload({ jobId, queue }: { readonly queue: string; readonly jobId: string }) {
  const reading = useMutation({
    mutationFn: () => call("GET /v1/events/queues/:queue/jobs/:jobId/payload", { params: { queue, jobId } })
  })
  return (
    <Section
      title="Payload"
      note="May hold data of customers"
      side={
        reading.data === undefined ? (
          <Act scope="events:payload" disabled={reading.isPending} onClick={() => reading.mutate()}>
            Show the payload
          </Act>
        ) : null
      }
    >
      {reading.isError ? <Failure error={reading.error} /> : null}
      {reading.data === undefined ? null : (
        <div className="card p-4">
          {reading.data.payload === null ? (
            <p className="text-soft text-sm">It is no longer kept.</p>
          ) : (
            <Json value={reading.data.payload} />
          )}
        </div>
      )}
    </Section>
  )
}

/** One job: its state, and each attempt that failed. */
export default function Job() {
  const { jobId = "", queue = "" } = useParams({ strict: false })
  const params = { queue, jobId }
  const queries = useQueryClient()
  const [isAsking, setAsking] = useState(false)
  const job = useQuery({
    queryKey: ["queues", queue, "job", jobId],
    refetchInterval: unlessLive,
    queryFn: ({ signal }) => call("GET /v1/events/queues/:queue/jobs/:jobId", { params, signal })
  })
  const cancelling = useMutation({
    mutationFn: () => call("POST /v1/events/queues/:queue/jobs/:jobId/cancel", { params }),
    onSuccess: () => {
      setAsking(false)
      return queries.invalidateQueries({ queryKey: ["queues", queue] })
    }
  })
  const facts: ReadonlyArray<readonly [string, string]> =
    job.data === undefined
      ? []
      : [
          ["Priority", String(job.data.priority)],
          ["Failed attempts", String(job.data.attempt)],
          ["Ordering key", job.data.orderingKey ?? "none"],
          ["Enqueued", utc(job.data.recordedAt)],
          ["Runs", job.data.runAt === null ? "–" : utc(job.data.runAt)]
        ]
  return (
    <Page
      name={`Job ${jobId.slice(-8)}`}
      title={
        <>
          <PageLink
            to={`/queues/${encodeURIComponent(queue)}`}
            className="text-soft hover:text-ink font-mono text-lg"
          >
            {queue}
          </PageLink>
          <span className="text-faint" aria-hidden>
            /
          </span>
          <span>Job</span>
          {job.data === undefined ? null : <Badge tone={tones[job.data.state]}>{job.data.state}</Badge>}
        </>
      }
      lead={<Copy text={jobId} />}
      actions={
        job.data?.state === "ready" || job.data?.state === "delayed" ? (
          <Act scope="events:admin" onClick={() => setAsking(true)}>
            <CircleSlash size={14} aria-hidden />
            Cancel the job
          </Act>
        ) : null
      }
    >
      {job.isError ? <Failure error={job.error} retry={() => void job.refetch()} /> : null}
      {job.data === undefined ? (
        job.isPending ? (
          <Skeleton rows={5} />
        ) : null
      ) : (
        <>
          <div className="card p-4">
            <p className="mb-3 font-mono text-sm font-medium">{job.data.type}</p>
            <dl className="grid max-w-xl grid-cols-[140px_1fr] gap-y-1.5 text-sm">
              {facts.map(([label, value]) => (
                <div key={label} className="contents">
                  <dt className="text-soft">{label}</dt>
                  <dd className="num">{value}</dd>
                </div>
              ))}
            </dl>
          </div>
          <Section title="Failed attempts" note="The last ten at most">
            <div className="card p-4">
              <Attempts errors={job.data.errors} />
            </div>
          </Section>
        </>
      )}
      {job.data === undefined ? null : <Payload queue={queue} jobId={jobId} />}
      <Dialog
        open={isAsking}
        title="Cancel this job"
        act="Cancel the job"
        onClose={() => setAsking(false)}
        onAct={() => cancelling.mutate()}
        isBusy={cancelling.isPending}
        error={cancelling.error}
      >
        <p>It is removed from its queue and does not run. This cannot be undone.</p>
      </Dialog>
    </Page>
  )
}
