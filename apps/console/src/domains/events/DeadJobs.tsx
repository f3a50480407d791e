import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { X } from "lucide-react"
import { useState } from "react"
import { call } from "../../api/call.ts"
import { Act } from "../../ui/Act.tsx"
import { textOf, useAddress } from "../../ui/address.ts"
import { Copy } from "../../ui/Copy.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { Dialog } from "../../ui/Dialog.tsx"
import { count, counted, cx } from "../../ui/Format.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { unlessLive } from "../../ui/polling.ts"
import { Section } from "../../ui/Page.tsx"
import { Empty, Failure, Skeleton } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { attemptsOf, type DeadJob, firstLine, type Queue, reasonOf } from "./data.ts"
import { JobPanel } from "./JobPanel.tsx"

const pageMax = 200
const perSecondDefault = 20
/** The most that one request names. */
const jobIdsMax = 1_000

const endpoints = {
  redrive: "POST /v1/events/queues/:queue/redrive",
  discard: "POST /v1/events/queues/:queue/discard"
} as const

type Act = keyof typeof endpoints

/** The dead jobs that are meant: those that were chosen, those of one error, or all of the queue. */
interface Meant {
  readonly count: number
  readonly filter: { readonly jobIds?: ReadonlyArray<string>; readonly failure?: string }
}

/** Asks how to redrive or discard, and says how many jobs it was. */
function Asking({
  act,
  meant,
  onClose,
  onDone,
  queue
}: {
  readonly act: Act
  readonly queue: string
  readonly meant: Meant
  readonly onClose: () => void
  readonly onDone: (text: string) => void
}) {
  const queries = useQueryClient()
  const [perSecond, setPerSecond] = useState(String(perSecondDefault))
  const params = { queue }
  const acting = useMutation({
    mutationFn: async () => {
      if (act === "redrive") {
        const { redriven } = await call(endpoints.redrive, {
          params,
          payload: { ...meant.filter, perSecond: Number(perSecond) }
        })
        return `${counted(redriven, "job")} redriven, at most ${perSecond} per second.`
      }
      const { discarded } = await call(endpoints.discard, { params, payload: meant.filter })
      return `${counted(discarded, "job")} discarded.`
    },
    onSuccess: (text) => {
      onDone(text)
      onClose()
      return queries.invalidateQueries({ queryKey: ["queues"] })
    }
  })
  return (
    <Dialog
      open
      title={`${act === "redrive" ? "Redrive" : "Discard"} ${counted(meant.count, "dead job")} of ${queue}`}
      act={act === "redrive" ? "Redrive" : "Discard"}
      onClose={onClose}
      onAct={() => acting.mutate()}
      isBusy={acting.isPending}
      error={acting.error}
      {...(act === "discard" ? { name: queue } : {})}
    >
      {act === "redrive" ? (
        <>
          <p>
            They are ready again with all their attempts, oldest first. If the cause is still there, they die
            again.
          </p>
          <label className="text-ink flex items-center gap-2">
            At most
            <input
              className="field num w-20"
              type="number"
              min={1}
              max={10_000}
              value={perSecond}
              onChange={(event) => setPerSecond(event.target.value)}
            />
            per second
          </label>
        </>
      ) : (
        <p>They are deleted with their payload and their errors. This cannot be undone.</p>
      )}
    </Dialog>
  )
}

/** The dead jobs of a queue, by what stopped them last. */
export function DeadJobs({
  asking,
  onAsk,
  queue
}: {
  readonly queue: Queue
  readonly asking: Act | undefined
  readonly onAsk: (act: Act | undefined) => void
}) {
  const [raw, change] = useAddress()
  const only = textOf(raw, "failure")
  const open = textOf(raw, "job")
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  const [outcome, setOutcome] = useState<string>()
  const list = useList(
    ["queues", queue.queue, "dead", only],
    (cursor, signal) =>
      call("GET /v1/events/queues/:queue/dead", {
        params: { queue: queue.queue },
        query: { ...pageQuery(cursor, pageMax), ...(only === undefined ? {} : { failure: only }) },
        signal
      }),
    { polls: "unlessLive" }
  )
  const groups = useQuery({
    queryKey: ["queues", queue.queue, "groups"],
    refetchInterval: unlessLive,
    queryFn: ({ signal }) =>
      call("GET /v1/events/queues/:queue/dead/groups", { params: { queue: queue.queue }, signal })
  })
  const rows = list.items
  const group = groups.data?.items.find(({ failure }) => failure === only)
  const openJob = list.items.find(({ jobId }) => jobId === open)
  const meant: Meant =
    chosen.size > 0
      ? { count: chosen.size, filter: { jobIds: [...chosen].slice(0, jobIdsMax) } }
      : only === undefined
        ? { count: queue.dead, filter: {} }
        : { count: group?.count ?? list.items.length, filter: { failure: only } }
  return (
    <Section
      title="Dead jobs"
      note="By what stopped them last"
      side={
        chosen.size === 0 ? null : (
          <>
            <span className="text-soft text-xs">{counted(chosen.size, "job")} chosen</span>
            <Act scope="events:admin" onClick={() => onAsk("redrive")}>
              Redrive {count(chosen.size)}
            </Act>
          </>
        )
      }
    >
      {outcome === undefined ? null : (
        <p role="status" className="bg-good-soft text-good mb-3 rounded-md px-3 py-2 text-sm">
          {outcome}
        </p>
      )}
      {list.isError ? (
        <Failure error={list.error} retry={() => void list.refetch()} />
      ) : list.data === undefined ? (
        <Skeleton />
      ) : queue.dead === 0 && list.items.length === 0 ? (
        <Empty title="No job is dead">
          A job that fails on every attempt is kept here with the error of each.
        </Empty>
      ) : (
        <>
          {groups.isError ? <Failure error={groups.error} retry={() => void groups.refetch()} /> : null}
          <div className="mb-3 flex flex-wrap gap-2" role="group" aria-label="Errors">
            {(groups.data?.items ?? []).map(({ count: jobs, error, failure }) => (
              <button
                key={failure}
                type="button"
                title={failure}
                aria-pressed={only === failure}
                className={cx("btn max-w-full", only === failure && "border-accent bg-accent-soft")}
                onClick={() => change({ failure: only === failure ? undefined : failure, job: undefined })}
              >
                <b className="num text-bad font-semibold">{count(jobs)}</b>
                <span className="truncate font-mono text-xs font-normal">{firstLine(error)}</span>
                {only === failure ? <X size={12} aria-hidden /> : null}
              </button>
            ))}
          </div>
          <div
            className={cx(
              "grid items-start gap-4",
              openJob !== undefined && "xl:grid-cols-[minmax(0,1fr)_430px]"
            )}
          >
            <div>
              <DataTable
                label="Dead jobs"
                rows={rows}
                keyOf={({ jobId }) => jobId}
                current={open}
                selection={{ keys: chosen, change: setChosen }}
                placeOf={({ jobId }) => ({
                  to: ".",
                  search: { ...(only === undefined ? {} : { failure: only }), job: jobId }
                })}
                columns={[
                  {
                    name: "type",
                    label: "Type",
                    cell: ({ type }) => <span className="font-mono text-xs">{type}</span>
                  },
                  ...(openJob === undefined
                    ? [
                        {
                          name: "error",
                          label: "Last error",
                          cell: (job: DeadJob) => (
                            <span className="text-soft block max-w-110 truncate font-mono text-xs">
                              {reasonOf(job)}
                            </span>
                          )
                        }
                      ]
                    : []),
                  {
                    name: "attempts",
                    label: "Attempts",
                    right: true,
                    width: "80px",
                    cell: ({ attempt, errors }) => Math.max(attempt, attemptsOf(errors).length)
                  },
                  {
                    name: "job",
                    label: "Job",
                    width: "110px",
                    cell: ({ jobId }) => (
                      <Copy className="relative z-10" text={jobId} shown={jobId.slice(-8)} />
                    )
                  },
                  {
                    name: "died",
                    label: "Died",
                    right: true,
                    width: "140px",
                    cell: ({ diedAt }) => (
                      <span className="relative z-10">
                        <Time at={diedAt} />
                      </span>
                    )
                  }
                ]}
              />
              <More list={list} />
            </div>
            {openJob === undefined ? null : (
              <JobPanel
                job={openJob}
                onClose={() => change({ job: undefined })}
                onRedrive={() => {
                  setChosen(new Set([openJob.jobId]))
                  onAsk("redrive")
                }}
              />
            )}
          </div>
        </>
      )}
      {asking === undefined ? null : (
        <Asking
          act={asking}
          queue={queue.queue}
          meant={meant}
          onClose={() => onAsk(undefined)}
          onDone={(text) => {
            setOutcome(text)
            setChosen(new Set())
          }}
        />
      )}
    </Section>
  )
}
