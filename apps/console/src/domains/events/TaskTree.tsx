import { CircleCheck, CircleX, Clock3, GitBranch } from "lucide-react"
import { useState } from "react"
import { call } from "../../api/call.ts"
import { textTones, type Tone } from "../../ui/Badge.tsx"
import { More } from "../../ui/DataTable.tsx"
import { cx } from "../../ui/Format.ts"
import { Json } from "../../ui/Json.tsx"
import { pageQuery, useList } from "../../ui/lists.ts"
import { PageLink } from "../../ui/PageLink.tsx"
import { Empty, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { Withheld } from "../../ui/Withheld.tsx"
import { type Task, workflowPlace } from "./workflowData.ts"

const stateOf = ({ kind, outcome }: Task): { readonly icon: typeof Clock3; readonly tone: Tone } => {
  if (outcome === "succeeded") return { icon: CircleCheck, tone: "good" }
  if (outcome === "failed") return { icon: CircleX, tone: "bad" }
  return { icon: kind === "child" ? GitBranch : Clock3, tone: "plain" }
}

/** A list shows results of at most this many bytes; a larger one is left out. */
const listedBytesMax = 16 * 1024

function Result({ task }: { readonly task: Task }) {
  if (task.error !== null) return <p className="text-bad mt-1 font-mono text-xs break-words">{task.error}</p>
  if (task.outcome === null) {
    return task.dueAt === null ? (
      <p className="text-soft mt-1 text-xs">not finished</p>
    ) : (
      <p className="text-soft mt-1 text-xs">
        due <Time at={task.dueAt} />
      </p>
    )
  }
  if (task.withheld !== undefined && task.outcome === "succeeded") {
    return <Withheld scopes={task.withheld} what="The result is" />
  }
  if (task.resultBytes > listedBytesMax) {
    return (
      <p className="text-soft mt-1 text-xs">A result of {task.resultBytes} bytes, too long to be shown</p>
    )
  }
  return task.result === null ? null : (
    <details className="mt-1 text-xs">
      <summary className="text-soft min-h-6 py-1">Result</summary>
      <Json value={task.result} />
    </details>
  )
}

/** A child execution, whose tasks are read when it is opened. */
function Child({ childId }: { readonly childId: string }) {
  const [isOpen, setOpen] = useState(false)
  return (
    <details className="mt-1 text-xs" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className="text-soft min-h-6 py-1">Tasks of the child</summary>
      <p className="mb-2">
        <PageLink to={workflowPlace(childId).to} className="link font-mono">
          {childId}
        </PageLink>
      </p>
      {isOpen ? <TaskTree executionId={childId} /> : null}
    </details>
  )
}

/** The tasks of an execution in the order in which they were recorded, with those of its children below them. */
export function TaskTree({ executionId }: { readonly executionId: string }) {
  const list = useList(
    ["workflows", executionId, "tasks"],
    (cursor, signal) =>
      call("GET /v1/events/workflows/:executionId/tasks", {
        params: { executionId },
        query: pageQuery(cursor),
        signal
      }),
    { polls: true }
  )
  return (
    <Listed
      list={list}
      empty={
        <Empty title="Nothing is recorded yet">
          An activity, a clock, a signal or a child is recorded when the workflow asks for it.
        </Empty>
      }
    >
      <ol className="border-line ml-2 border-l">
        {list.items.map((task) => {
          const { icon: Icon, tone } = stateOf(task)
          return (
            <li key={`${task.kind}/${task.name}/${task.attempt}`} className="relative pb-3 pl-6">
              <span className="bg-surface absolute top-0.5 -left-2">
                <Icon
                  size={15}
                  className={cx(textTones[tone])}
                  role="img"
                  aria-label={task.outcome ?? "pending"}
                />
              </span>
              <p className="flex flex-wrap items-center gap-2 text-sm">
                <b className="font-medium">{task.name}</b>
                <span className="text-soft text-xs">
                  {task.kind}
                  {task.attempt > 1 ? `, attempt ${task.attempt}` : ""}
                </span>
                <span className="text-soft text-xs">
                  <Time at={task.finishedAt ?? task.recordedAt} />
                </span>
              </p>
              <Result task={task} />
              {task.childId === null ? null : <Child childId={task.childId} />}
            </li>
          )
        })}
      </ol>
      <More list={list} />
    </Listed>
  )
}
