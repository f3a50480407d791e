import { call } from "../../api/call.ts"
import { Badge } from "../../ui/Badge.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { count } from "../../ui/Format.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Page } from "../../ui/Page.tsx"
import { PageLink } from "../../ui/PageLink.tsx"
import { Empty, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { decisionPlace, outcomeTones } from "./data.ts"

/** The decisions about signals, the newest first. */
export default function Decisions() {
  const list = useList(
    ["decisions"],
    (cursor, signal) => call("GET /v1/risk/decisions", { query: pageQuery(cursor), signal }),
    { polls: true }
  )
  return (
    <Page
      name="Risk decisions"
      lead="What was decided about orders, payments and logins, and by which rules"
      actions={
        <PageLink to="/risk/rules" className="btn">
          Rules
        </PageLink>
      }
    >
      <Listed
        list={list}
        empty={
          <Empty title="Nothing was decided yet">
            <code className="font-mono text-xs">POST /v1/risk/decisions</code> decides about a signal. Orders
            of the shop are decided when their facts arrive.
          </Empty>
        }
      >
        <DataTable
          label="Decisions"
          rows={list.items}
          keyOf={({ decisionId }) => decisionId}
          placeOf={({ decisionId }) => decisionPlace(decisionId)}
          columns={[
            {
              name: "subject",
              label: "Subject",
              cell: ({ kind, subject }) => (
                <span className="text-xs">
                  <span className="text-soft">{kind}</span> <span className="font-mono">{subject}</span>
                </span>
              )
            },
            {
              name: "outcome",
              label: "Outcome",
              width: "110px",
              cell: ({ outcome }) => <Badge tone={outcomeTones[outcome]}>{outcome}</Badge>
            },
            {
              name: "reasons",
              label: "Reasons",
              cell: ({ verdict }) => (
                <span className="font-mono text-xs">{verdict.reasons.join(", ") || "none"}</span>
              )
            },
            {
              name: "score",
              label: "Score",
              right: true,
              width: "80px",
              cell: ({ verdict }) => count(verdict.score)
            },
            {
              name: "version",
              label: "Rules",
              width: "90px",
              cell: ({ version }) => (version === null ? "none" : `v${version}`)
            },
            {
              name: "at",
              label: "When",
              width: "120px",
              cell: ({ recordedAt }) => <Time at={recordedAt} />
            }
          ]}
        />
        <More list={list} />
      </Listed>
    </Page>
  )
}
