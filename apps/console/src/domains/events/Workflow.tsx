import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useParams } from "@tanstack/react-router"
import { CircleSlash, Play } from "lucide-react"
import { useState } from "react"
import { call } from "../../api/call.ts"
import { Act } from "../../ui/Act.tsx"
import { Badge } from "../../ui/Badge.tsx"
import { Copy } from "../../ui/Copy.tsx"
import { Crumbs } from "../../ui/Crumbs.tsx"
import { Dialog } from "../../ui/Dialog.tsx"
import { Facts } from "../../ui/Facts.tsx"
import { Json } from "../../ui/Json.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Outcome } from "../../ui/Outcome.tsx"
import { Page, Section } from "../../ui/Page.tsx"
import { PageLink } from "../../ui/PageLink.tsx"
import { Time } from "../../ui/Time.tsx"
import { TaskTree } from "./TaskTree.tsx"
import { isFinished, stateOfExecution, workflowPlace } from "./workflowData.ts"
import { pollMillis } from "../../ui/polling.ts"
import { Withheld } from "../../ui/Withheld.tsx"

/** One execution: where it is, its tasks with those of its children, and what it was started with. */
export default function WorkflowPage() {
  const { executionId = "" } = useParams({ strict: false })
  const params = { executionId }
  const queries = useQueryClient()
  const [isAsking, setAsking] = useState(false)
  const inspection = useQuery({
    queryKey: ["workflows", executionId],
    refetchInterval: pollMillis,
    queryFn: ({ signal }) => call("GET /v1/events/workflows/:executionId", { params, signal })
  })
  const settle = () => queries.invalidateQueries({ queryKey: ["workflows"] })
  const resuming = useMutation({
    mutationFn: () => call("POST /v1/events/workflows/:executionId/resume", { params }),
    onSettled: settle
  })
  const cancelling = useMutation({
    mutationFn: () => call("POST /v1/events/workflows/:executionId/cancel", { params }),
    onSuccess: () => setAsking(false),
    onSettled: settle
  })
  const execution = inspection.data?.execution
  return (
    <Page
      name="Workflow"
      title={
        <Crumbs to="/workflows" list="Workflows" name={execution?.name ?? executionId}>
          {execution === undefined ? null : (
            <Badge tone={stateOfExecution(execution).tone}>{stateOfExecution(execution).label}</Badge>
          )}
        </Crumbs>
      }
      lead={<Copy text={executionId} />}
      actions={
        execution === undefined || isFinished(execution.state) ? null : (
          <>
            <Outcome acting={resuming} done="It runs again" />
            {execution.needsResume ? (
              <Act scope="events:admin" disabled={resuming.isPending} onClick={() => resuming.mutate()}>
                <Play size={14} aria-hidden />
                Resume
              </Act>
            ) : null}
            <Act scope="events:admin" disabled={execution.cancelRequested} onClick={() => setAsking(true)}>
              <CircleSlash size={14} aria-hidden />
              Cancel the execution
            </Act>
          </>
        )
      }
    >
      <Loaded query={inspection}>
        {({ execution: current, payload, result, withheld }) => (
          <>
            <div className="card p-4">
              <Facts
                facts={[
                  ["Version", String(current.version)],
                  ["Runs", String(current.runs)],
                  [
                    "Started",
                    current.startedAt === null ? "not yet" : <Time key="at" at={current.startedAt} />
                  ],
                  [
                    "Finished",
                    current.finishedAt === null ? "not yet" : <Time key="end" at={current.finishedAt} />
                  ],
                  ...(current.error === null ? [] : [["Error", current.error] as const]),
                  ...(current.parentId === null
                    ? []
                    : [
                        [
                          "Started by",
                          <PageLink
                            key="parent"
                            to={workflowPlace(current.parentId).to}
                            className="link font-mono text-xs"
                          >
                            {current.parentId}
                          </PageLink>
                        ] as const
                      ]),
                  ...(current.unasked.length === 0
                    ? []
                    : [["Not asked for again", current.unasked.join(", ")] as const])
                ]}
              />
            </div>
            <Section title="Tasks" note="In the order in which they were recorded">
              <div className="card p-4">
                <TaskTree executionId={executionId} />
              </div>
            </Section>
            <Section title="Payload and result" note="May hold data of customers">
              <Withheld scopes={withheld} what="Payload and result are" />
              {withheld === undefined ? (
                <details className="card p-4 text-sm">
                  <summary className="min-h-6">Show what it was started with</summary>
                  <div className="mt-2">
                    <Json name="payload" value={payload} />
                    {isFinished(current.state) ? <Json name="result" value={result} /> : null}
                  </div>
                </details>
              ) : null}
            </Section>
          </>
        )}
      </Loaded>
      <Dialog
        open={isAsking}
        title="Cancel this execution"
        act="Cancel the execution"
        onClose={() => setAsking(false)}
        onAct={() => cancelling.mutate()}
        isBusy={cancelling.isPending}
        error={cancelling.error}
      >
        <p>
          The cancellation takes effect where the run would wait. A worker then runs the compensations. What
          was done before stays done until a compensation undoes it.
        </p>
      </Dialog>
    </Page>
  )
}
