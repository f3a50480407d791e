import { call } from "../../api/call.ts"
import { oneOf, textOf, useAddress } from "../../ui/address.ts"
import { Badge } from "../../ui/Badge.tsx"
import { Copy } from "../../ui/Copy.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { count } from "../../ui/Format.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Page } from "../../ui/Page.tsx"
import { Segments } from "../../ui/Segments.tsx"
import { Empty, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { stateOfExecution, workflowPlace } from "./workflowData.ts"

const states = ["ready", "running", "suspended", "failed", "succeeded", "cancelled"] as const

/** The executions of the tenant's workflows, the newest first. */
export default function Workflows() {
  const [raw, change] = useAddress()
  const state = oneOf(raw, "state", states)
  const name = textOf(raw, "name")
  const list = useList(
    ["workflows", state, name],
    (cursor, signal) =>
      call("GET /v1/events/workflows", {
        query: {
          ...pageQuery(cursor),
          ...(state === undefined ? {} : { state }),
          ...(name === undefined ? {} : { name })
        },
        signal
      }),
    { polls: true }
  )
  return (
    <Page
      name="Workflows"
      lead="Code that survives the end of its process: what runs, what waits, what failed"
      actions={
        <>
          {name === undefined ? null : (
            <button type="button" className="btn" onClick={() => change({ name: undefined })}>
              Only {name}: show all
            </button>
          )}
          <Segments
            label="State"
            value={state ?? "all"}
            onChange={(next) => change({ state: next === "all" ? undefined : next })}
            options={(["all", ...states] as const).map((value) => ({ value, label: value }))}
          />
        </>
      }
    >
      <Listed
        list={list}
        empty={
          <Empty title={state === undefined ? "No workflow was started" : `No execution is ${state}`}>
            <code className="font-mono text-xs">POST /v1/events/workflows</code> starts one; a worker that has
            its code runs it.
          </Empty>
        }
      >
        <DataTable
          label="Executions"
          rows={list.items}
          keyOf={({ executionId }) => executionId}
          placeOf={({ executionId }) => workflowPlace(executionId)}
          columns={[
            {
              name: "name",
              label: "Workflow",
              cell: ({ name: workflow, version }) => (
                <span className="font-mono text-xs">
                  {workflow} <span className="text-soft">v{version}</span>
                </span>
              )
            },
            {
              name: "state",
              label: "State",
              width: "150px",
              cell: (row) => {
                const { label, tone } = stateOfExecution(row)
                return <Badge tone={tone}>{label}</Badge>
              }
            },
            {
              name: "error",
              label: "Error",
              cell: ({ error }) => <span className="text-soft text-xs">{error ?? ""}</span>
            },
            { name: "runs", label: "Runs", right: true, width: "70px", cell: ({ runs }) => count(runs) },
            {
              name: "at",
              label: "Started",
              width: "120px",
              cell: ({ recordedAt, startedAt }) => <Time at={startedAt ?? recordedAt} />
            },
            {
              name: "id",
              label: "Id",
              width: "110px",
              cell: ({ executionId }) => (
                <span className="relative z-10">
                  <Copy text={executionId} shown={executionId.slice(-8)} />
                </span>
              )
            }
          ]}
        />
        <More list={list} />
      </Listed>
    </Page>
  )
}
