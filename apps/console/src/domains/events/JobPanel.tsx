import { RotateCcw, X } from "lucide-react"
import { Act } from "../../ui/Act.tsx"
import { Copy } from "../../ui/Copy.tsx"
import { counted, cx } from "../../ui/Format.ts"
import { PageLink } from "../../ui/PageLink.tsx"
import { Time } from "../../ui/Time.tsx"
import { attemptsOf, type DeadJob, firstLine } from "./data.ts"

const jobPlace = (queue: string, jobId: string): string =>
  `/queues/${encodeURIComponent(queue)}/jobs/${jobId}`

/** The failed attempts of a job, the newest first. */
export function Attempts({ errors }: { readonly errors: unknown }) {
  const attempts = attemptsOf(errors)
  if (attempts.length === 0) return <p className="text-soft text-sm">No attempt has failed.</p>
  return (
    <ol className="border-line ml-1.5 border-l">
      {attempts.map(({ at, attempt, error, worker }, index) => {
        const rest = error.split("\n").slice(1).join("\n")
        return (
          <li key={attempt} className="relative pb-4 pl-5">
            <span
              aria-hidden
              className={cx(
                "absolute top-1.5 -left-[4.5px] size-2 rounded-full",
                index === 0 ? "bg-bad" : "bg-line-strong"
              )}
            />
            <p className="flex flex-wrap items-center gap-2 text-sm">
              <b className="font-medium">Attempt {attempt}</b>
              {at === undefined ? null : (
                <span className="text-soft text-xs">
                  <Time at={at} />
                </span>
              )}
              {worker === undefined ? null : <span className="text-soft font-mono text-xs">{worker}</span>}
            </p>
            <p className="mt-1 font-mono text-xs break-words">{firstLine(error)}</p>
            {rest === "" ? null : (
              <details className="mt-1" open={index === 0}>
                <summary className="text-soft min-h-6 py-1 text-xs">Stack</summary>
                {/* A region that scrolls can be reached by keyboard. */}
                <pre
                  // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
                  tabIndex={0}
                  className="bg-sunken text-soft mt-1 overflow-x-auto rounded-md p-2 font-mono text-2xs leading-relaxed"
                >
                  {rest}
                </pre>
              </details>
            )}
          </li>
        )
      })}
    </ol>
  )
}

/** A dead job beside the table. */
export function JobPanel({
  job,
  onClose,
  onRedrive
}: {
  readonly job: DeadJob
  readonly onClose: () => void
  readonly onRedrive: () => void
}) {
  return (
    <aside className="card sticky top-4 max-h-[calc(100vh-2rem)] overflow-y-auto" aria-label="Dead job">
      <div className="border-line flex items-start gap-2 border-b p-4">
        <div className="min-w-0">
          <p className="truncate font-mono text-sm font-medium">{job.type}</p>
          <Copy text={job.jobId} />
        </div>
        <button
          type="button"
          className="btn btn-quiet ml-auto size-7 justify-center px-0"
          aria-label="Close"
          onClick={onClose}
        >
          <X size={15} aria-hidden />
        </button>
      </div>
      <div className="p-4">
        {job.rejected === null ? null : (
          <p className="bg-warn-soft text-warn mb-4 rounded-md p-2.5 text-sm">
            Its handler rejected it: {job.rejected}. It is kept until it is redriven or discarded.
          </p>
        )}
        <h3 className="mb-3 text-sm font-semibold">
          {counted(attemptsOf(job.errors).length, "failed attempt")}
        </h3>
        <Attempts errors={job.errors} />
        {job.orderingKey === null ? null : (
          <p className="text-soft mb-3 text-xs">
            Ordering key <Copy text={job.orderingKey} />
          </p>
        )}
        <div className="flex gap-2">
          <Act scope="events:admin" onClick={onRedrive}>
            <RotateCcw size={14} aria-hidden />
            Redrive this job
          </Act>
          <PageLink to={jobPlace(job.queue, job.jobId)} className="btn">
            Open the job
          </PageLink>
        </div>
      </div>
    </aside>
  )
}
