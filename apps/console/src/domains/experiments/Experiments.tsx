import { call } from "../../api/call.ts"
import { Badge } from "../../ui/Badge.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { count } from "../../ui/Format.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Page } from "../../ui/Page.tsx"
import { Empty, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { experimentPlace, statusTones, weightWords } from "./data.ts"

/** The experiments of the tenant: what is compared, by whom it is seen, and what was decided. */
export default function Experiments() {
  const list = useList(["experiments"], (cursor, signal) =>
    call("GET /v1/experiments/experiments", { query: pageQuery(cursor), signal })
  )
  return (
    <Page name="Experiments" lead="Variants beside each other, judged at looks that were planned">
      <Listed
        list={list}
        empty={
          <Empty title="There is no experiment">
            <code className="font-mono text-xs">POST /v1/experiments/experiments</code> makes one; it takes
            units when it is started.
          </Empty>
        }
      >
        <DataTable
          label="Experiments"
          rows={list.items}
          keyOf={({ experimentId }) => experimentId}
          placeOf={({ experimentId }) => experimentPlace(experimentId)}
          columns={[
            {
              name: "name",
              label: "Experiment",
              cell: ({ key, name, status }) => (
                <span className="flex items-center gap-2">
                  <span className="font-medium">{name}</span>
                  <span className="text-soft font-mono text-xs">{key}</span>
                  <Badge tone={statusTones[status]}>{status}</Badge>
                </span>
              )
            },
            {
              name: "variants",
              label: "Variants",
              cell: ({ variants }) => (
                <span className="text-xs">
                  {variants.map(({ key, weight }) => `${key} ${weightWords(weight)}`).join(", ")}
                </span>
              )
            },
            {
              name: "planned",
              label: "Units planned",
              right: true,
              width: "120px",
              cell: ({ plan }) => count(plan.unitsPlanned)
            },
            {
              name: "decision",
              label: "Decided",
              cell: ({ decision }) =>
                decision === null ? "–" : `${decision.outcome} ${decision.variant ?? ""}: ${decision.why}`
            },
            {
              name: "started",
              label: "Started",
              width: "120px",
              cell: ({ startedAt }) => (startedAt === null ? "not yet" : <Time at={startedAt} />)
            }
          ]}
        />
        <More list={list} />
      </Listed>
    </Page>
  )
}
