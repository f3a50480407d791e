import { useQuery } from "@tanstack/react-query"
import { call } from "../../api/call.ts"
import { Badge } from "../../ui/Badge.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { count, counted, percent } from "../../ui/Format.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Loaded } from "../../ui/Loaded.tsx"
import { Page, Section } from "../../ui/Page.tsx"
import { Empty, Failure, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"

function Health() {
  const health = useQuery({
    queryKey: ["risk", "health"],
    queryFn: ({ signal }) => call("GET /v1/risk/rules/health", { signal })
  })
  return (
    <Section title="Health of the live rules" note="Over their newest decisions">
      <Loaded query={health} rows={4}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No rule is live">A version of rules is made live, and decides from then on.</Empty>
          ) : (
            <DataTable
              label="Rules"
              rows={items}
              keyOf={({ rule }) => rule}
              columns={[
                {
                  name: "rule",
                  label: "Rule",
                  cell: ({ rule }) => <span className="font-mono text-xs font-medium">{rule}</span>
                },
                { name: "fired", label: "Fired", right: true, cell: ({ fired }) => count(fired) },
                {
                  name: "labelled",
                  label: "With a label",
                  right: true,
                  cell: ({ labelled }) => count(labelled)
                },
                {
                  name: "right",
                  label: "Of them bad",
                  right: true,
                  cell: ({ bad, labelled }) => (labelled === 0 ? "–" : percent(bad / labelled))
                },
                {
                  name: "errors",
                  label: "Errors",
                  cell: ({ errors, lastError }) =>
                    errors === 0 ? (
                      "none"
                    ) : (
                      <span className="text-bad text-xs">
                        {count(errors)}: {lastError}
                      </span>
                    )
                }
              ]}
            />
          )
        }
      </Loaded>
    </Section>
  )
}

/** The versions of the rules: which is live, which are in shadow, and how the live rules do. */
export default function Rules() {
  const state = useQuery({
    queryKey: ["risk", "state"],
    queryFn: ({ signal }) => call("GET /v1/risk/rules/live", { signal })
  })
  const versions = useList(["risk", "versions"], (cursor, signal) =>
    call("GET /v1/risk/rule-sets", { query: pageQuery(cursor), signal })
  )
  return (
    <Page name="Risk rules" lead="Expressions in versions that never change">
      <Health />
      <Section title="Versions">
        {state.isError ? <Failure error={state.error} retry={() => void state.refetch()} /> : null}
        <Listed
          list={versions}
          empty={
            <Empty title="There are no rules">
              <code className="font-mono text-xs">POST /v1/risk/rule-sets</code> makes a version, which is
              checked before it is kept.
            </Empty>
          }
        >
          <DataTable
            label="Versions"
            rows={versions.items}
            keyOf={({ version }) => String(version)}
            columns={[
              {
                name: "version",
                label: "Version",
                width: "180px",
                cell: ({ version }) => (
                  <span className="flex items-center gap-2">
                    <span className="num font-medium">v{version}</span>
                    {state.data?.live === version ? <Badge tone="good">live</Badge> : null}
                    {state.data?.shadow.includes(version) === true ? (
                      <Badge tone="accent">in shadow</Badge>
                    ) : null}
                  </span>
                )
              },
              { name: "note", label: "Note", cell: ({ note }) => note },
              {
                name: "rules",
                label: "Rules",
                cell: ({ rules }) => (
                  <details className="text-xs">
                    <summary className="min-h-6 py-1">{counted(rules.length, "rule")}</summary>
                    <ul className="space-y-1 py-1">
                      {rules.map(({ expression, key, reason }) => (
                        <li key={key}>
                          <span className="font-mono font-medium">{key}</span>{" "}
                          <span className="text-soft">{reason}</span>
                          <span className="text-soft block font-mono break-all">{expression}</span>
                        </li>
                      ))}
                    </ul>
                  </details>
                )
              },
              {
                name: "at",
                label: "Made",
                width: "120px",
                cell: ({ recordedAt }) => <Time at={recordedAt} />
              }
            ]}
          />
          <More list={versions} />
        </Listed>
      </Section>
    </Page>
  )
}
