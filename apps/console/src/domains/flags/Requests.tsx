import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { call } from "../../api/call.ts"
import { Act } from "../../ui/Act.tsx"
import { Badge } from "../../ui/Badge.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { Dialog } from "../../ui/Dialog.tsx"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Page, Section } from "../../ui/Page.tsx"
import { Reason } from "../../ui/Reason.tsx"
import { Segments } from "../../ui/Segments.tsx"
import { Empty, Failure, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { type ChangeRequest, isOpen, requestTones, stepWords } from "./data.ts"

const statuses = ["pending", "scheduled", "conflict", "applied", "closed"] as const
type Status = (typeof statuses)[number]

/** The steps in the order of their times; those that are in the flag are ticked. */
function Steps({ request }: { readonly request: ChangeRequest }) {
  return (
    <ol className="space-y-1 text-xs">
      {request.steps.map(({ at, does }, index) => (
        <li key={index} className={index < request.stepsDone ? "text-soft" : undefined}>
          {index < request.stepsDone ? "✓ " : ""}
          {stepWords(does)}
          {at === undefined ? null : (
            <span className="text-soft">
              {", "}
              <Time at={at} />
            </span>
          )}
        </li>
      ))}
    </ol>
  )
}

function Close({ onClose, request }: { readonly request: ChangeRequest; readonly onClose: () => void }) {
  const queries = useQueryClient()
  const [reason, setReason] = useState("")
  const closing = useMutation({
    mutationFn: () =>
      call("POST /v1/platform/flag-requests/:requestId/close", {
        params: { requestId: request.requestId },
        payload: { reason }
      }),
    onSuccess: () => {
      onClose()
      return queries.invalidateQueries({ queryKey: ["flag-requests"] })
    }
  })
  return (
    <Dialog
      open
      title={`Close the change of ${request.flagKey}`}
      act="Close it"
      onClose={onClose}
      onAct={() => closing.mutate()}
      isBusy={closing.isPending || reason === ""}
      error={closing.error}
    >
      <p>No further step is applied. Steps that are in the flag stay.</p>
      <Reason value={reason} onChange={setReason} max={500} />
    </Dialog>
  )
}

/** The environments whose flags change by approved requests alone. */
function Environments() {
  const environments = useQuery({
    queryKey: ["flag-environments"],
    queryFn: ({ signal }) => call("GET /v1/platform/flag-environments", { query: { limit: "100" }, signal })
  })
  const guarded = (environments.data?.items ?? []).filter(({ requiresApproval }) => requiresApproval)
  if (environments.isError) return <Failure error={environments.error} />
  return (
    <Section title="Environments that ask for an approval">
      <p className="text-sm">
        {guarded.length === 0
          ? "None: flags change at once."
          : guarded.map(({ environment }) => environment).join(", ")}
      </p>
    </Section>
  )
}

/** Changes of flags that wait for a second person or for their time, and what became of them. */
export default function Requests() {
  const queries = useQueryClient()
  const [status, setStatus] = useState<Status>()
  const [closed, setClosed] = useState<ChangeRequest>()
  const list = useList(["flag-requests", status ?? "all"], (cursor, signal) =>
    call("GET /v1/platform/flag-requests", {
      query: { ...pageQuery(cursor), ...(status === undefined ? {} : { status }) },
      signal
    })
  )
  const approving = useMutation({
    mutationFn: (requestId: string) =>
      call("POST /v1/platform/flag-requests/:requestId/approve", { params: { requestId } }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["flag-requests"] })
  })
  return (
    <Page
      name="Flag changes"
      lead="Approvals, schedules and ramps"
      actions={
        <Segments
          label="Status"
          value={status ?? "all"}
          options={(["all", ...statuses] as const).map((value) => ({ value, label: value }))}
          onChange={(value) => setStatus(value === "all" ? undefined : value)}
        />
      }
    >
      {approving.isError ? <Failure error={approving.error} /> : null}
      <Listed
        list={list}
        empty={
          <Empty title="There is no change request">
            <code className="font-mono text-xs">POST /v1/platform/flag-requests</code> proposes one.
          </Empty>
        }
      >
        <DataTable
          label="Change requests"
          rows={list.items}
          keyOf={({ requestId }) => requestId}
          columns={[
            {
              name: "flag",
              label: "Flag",
              cell: ({ description, flagKey }) => (
                <span>
                  <span className="font-mono text-xs font-medium">{flagKey}</span>
                  {description === null ? null : (
                    <span className="text-soft block text-xs">{description}</span>
                  )}
                </span>
              )
            },
            { name: "steps", label: "Steps", cell: (request) => <Steps request={request} /> },
            {
              name: "status",
              label: "Status",
              cell: ({ reason, status: state }) => (
                <span>
                  <Badge tone={requestTones[state]}>{state}</Badge>
                  {reason === null ? null : <span className="text-soft block text-xs">{reason}</span>}
                </span>
              )
            },
            {
              name: "due",
              label: "Next step",
              width: "120px",
              cell: ({ dueAt }) => (dueAt === null ? "–" : <Time at={dueAt} />)
            },
            {
              name: "by",
              label: "By",
              width: "150px",
              cell: ({ approver, author }) => (
                <span className="text-xs">
                  {author.type} <span className="font-mono">{author.id}</span>
                  {approver === null ? null : (
                    <span className="text-soft block">
                      approved by <span className="font-mono">{approver.id}</span>
                    </span>
                  )}
                </span>
              )
            },
            {
              name: "acts",
              label: "Actions",
              width: "180px",
              cell: (request) =>
                isOpen(request) ? (
                  <span className="flex gap-2">
                    {request.status === "pending" ? (
                      <Act
                        scope="flags:admin"
                        disabled={approving.isPending}
                        onClick={() => approving.mutate(request.requestId)}
                      >
                        Approve
                      </Act>
                    ) : null}
                    <Act scope="flags:write" onClick={() => setClosed(request)}>
                      Close
                    </Act>
                  </span>
                ) : null
            }
          ]}
        />
        <More list={list} />
      </Listed>
      <Environments />
      {closed === undefined ? null : <Close request={closed} onClose={() => setClosed(undefined)} />}
    </Page>
  )
}
