import { useQuery } from "@tanstack/react-query"
import { useParams } from "@tanstack/react-router"
import { call } from "../../api/call.ts"
import { Badge } from "../../ui/Badge.tsx"
import { Copy } from "../../ui/Copy.tsx"
import { Crumbs } from "../../ui/Crumbs.tsx"
import { Facts } from "../../ui/Facts.tsx"
import { count } from "../../ui/Format.ts"
import { Json } from "../../ui/Json.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Page, Section } from "../../ui/Page.tsx"
import { PageLink } from "../../ui/PageLink.tsx"
import { Time } from "../../ui/Time.tsx"
import { Withheld } from "../../ui/Withheld.tsx"
import { type Decision, outcomeTones } from "./data.ts"

function Fired({ verdict }: { readonly verdict: Decision["verdict"] }) {
  if (verdict.fired.length === 0 && verdict.errors.length === 0) {
    return <p className="text-soft text-sm">No rule has fired.</p>
  }
  return (
    <ul className="space-y-3">
      {verdict.fired.map(({ outcome, reason, rule, values, weight }) => (
        <li key={rule} className="text-sm">
          <p className="flex flex-wrap items-center gap-2">
            <span className="font-mono text-xs font-medium">{rule}</span>
            <Badge tone={outcome === null ? "plain" : outcomeTones[outcome]}>
              {outcome ?? `+${count(weight)}`}
            </Badge>
            <span className="text-soft font-mono text-xs">{reason}</span>
          </p>
          <dl className="text-soft mt-1 space-y-0.5 font-mono text-xs">
            {Object.entries(values).map(([expression, value]) => (
              <div key={expression} className="flex flex-wrap gap-x-2">
                <dt>{expression}</dt>
                <dd className="text-ink">= {value}</dd>
              </div>
            ))}
          </dl>
        </li>
      ))}
      {verdict.errors.map(({ message, rule }) => (
        <li key={rule} className="text-bad text-sm">
          <span className="font-mono text-xs">{rule}</span> could not be evaluated: {message}
        </li>
      ))}
    </ul>
  )
}

/** One decision with every rule that fired, and all that the rules could read when it was made. */
export default function DecisionPage() {
  const { decisionId = "" } = useParams({ strict: false })
  const decision = useQuery({
    queryKey: ["decisions", decisionId],
    queryFn: ({ signal }) => call("GET /v1/risk/decisions/:decisionId", { params: { decisionId }, signal })
  })
  return (
    <Page
      name="Risk decision"
      title={
        <Crumbs
          to="/risk/decisions"
          list="Risk decisions"
          name={decision.data === undefined ? decisionId : `${decision.data.kind} ${decision.data.subject}`}
        >
          {decision.data === undefined ? null : (
            <Badge tone={outcomeTones[decision.data.outcome]}>{decision.data.outcome}</Badge>
          )}
        </Crumbs>
      }
      lead={<Copy text={decisionId} />}
    >
      <Loaded query={decision}>
        {(data) => (
          <>
            <div className="card p-4">
              <Facts
                facts={[
                  ["Score", count(data.verdict.score)],
                  ["Rules", data.version === null ? "none were live" : `version ${data.version}`],
                  [
                    "Overridden",
                    data.verdict.overridden === null ? "no" : `by a list, to ${data.verdict.overridden}`
                  ],
                  ["Snoozed", data.verdict.snoozed.join(", ") || "no rule"],
                  [
                    "Decision",
                    `number ${data.number} of this signal${data.observed ? ", of a fact: no caller waited" : ""}`
                  ],
                  ["Took", `${(data.latencyMicros / 1_000).toFixed(1)} ms`],
                  ["Happened", <Time key="at" at={data.occurredAt} />],
                  ...(data.shadow.length === 0
                    ? []
                    : [
                        [
                          "In shadow",
                          data.shadow
                            .map(({ outcome, score, version }) => `v${version} ${outcome} (${score})`)
                            .join(", ")
                        ] as const
                      ]),
                  ...(data.kind === "order"
                    ? [
                        [
                          "Order",
                          <PageLink
                            key="order"
                            to={`/timeline/order/${encodeURIComponent(data.subject)}`}
                            className="link"
                          >
                            What else happened to it
                          </PageLink>
                        ] as const
                      ]
                    : [])
                ]}
              />
            </div>
            <Section title="Rules that fired" note="With the values that they read">
              <div className="card p-4">
                <Fired verdict={data.verdict} />
              </div>
            </Section>
            <Section title="All that the rules could read" note="As it was when the decision was made">
              <div className="card p-4">
                <Json value={data.frozen} />
                <Withheld scopes={data.withheld} what="The attributes are" />
              </div>
            </Section>
          </>
        )}
      </Loaded>
    </Page>
  )
}
