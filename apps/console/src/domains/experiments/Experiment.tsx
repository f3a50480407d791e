import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useParams } from "@tanstack/react-router"
import { Eye } from "lucide-react"
import { call } from "../../api/call.ts"
import { Act } from "../../ui/Act.tsx"
import { textOf, useAddress } from "../../ui/address.ts"
import { Badge } from "../../ui/Badge.tsx"
import { conditionWords } from "../../ui/condition.ts"
import { Crumbs } from "../../ui/Crumbs.tsx"
import { Facts } from "../../ui/Facts.tsx"
import { count, counted, percent } from "../../ui/Format.ts"
import { Loaded } from "../../ui/Loaded.tsx"
import { Outcome } from "../../ui/Outcome.tsx"
import { Page, Section } from "../../ui/Page.tsx"
import { Segments } from "../../ui/Segments.tsx"
import { Empty } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { type Experiment, type Look, recommendations, statusTones, weightWords } from "./data.ts"
import { Intervals } from "./Intervals.tsx"

/** May the figures be trusted? Of the same look as the result. */
function Health({ look }: { readonly look: Look }) {
  const { excluded, sampleRatio, settings } = look
  return (
    <Facts
      facts={[
        [
          "Sample ratio",
          sampleRatio.mismatch ? (
            <Badge key="ratio" tone="bad">
              the arms did not get the units that their weights promise
            </Badge>
          ) : (
            `as the weights promise (p = ${sampleRatio.p.toPrecision(2)})`
          )
        ],
        [
          "Saw two arms",
          `${counted(excluded.crossed, "unit")}, ${percent(excluded.crossedShare)} of all${excluded.suspicious ? ": suspicious" : ""}`
        ],
        ["Information", `${percent(settings.information)} of the plan`],
        [
          "Level",
          settings.level === null
            ? "this look spends nothing and decides nothing"
            : `${percent(1 - settings.level)} intervals, ${settings.spending}, ${settings.correction}`
        ],
        ["Units", look.units.map(({ units, variant }) => `${variant} ${count(units)}`).join(", ")]
      ]}
    />
  )
}

function Looks({ looks }: { readonly looks: ReadonlyArray<Look> }) {
  const [raw, change] = useAddress()
  const wanted = textOf(raw, "look")
  const look = looks.find(({ look: number }) => String(number) === wanted) ?? looks.at(-1)
  if (look === undefined) {
    return (
      <Empty title="No look was taken">
        A look reads the figures of now and judges them by the plan. It never changes afterwards.
      </Empty>
    )
  }
  const { tone, words } = recommendations[look.recommendation.outcome]
  return (
    <>
      <div className="card mb-4 p-4">
        <p className="mb-3 flex flex-wrap items-center gap-2 text-sm">
          <Badge tone={tone}>
            {words} {look.recommendation.variant ?? ""}
          </Badge>
          {look.recommendation.because}
        </p>
        <Health look={look} />
      </div>
      <div className="mb-3 flex flex-wrap items-center gap-3">
        <Segments
          label="Look"
          value={String(look.look)}
          onChange={(next) => change({ look: next })}
          options={looks.map(({ look: number }) => ({ value: String(number), label: `Look ${number}` }))}
        />
        <span className="text-soft text-xs">
          taken <Time at={look.recordedAt} />
        </span>
      </div>
      <Intervals metrics={look.metrics} />
    </>
  )
}

function Settings({ experiment }: { readonly experiment: Experiment }) {
  const { decision, hypothesis, layer, metrics, plan, targeting, variants } = experiment
  return (
    <Section title="How it is set up">
      <div className="card p-4">
        <Facts
          facts={[
            ["Hypothesis", hypothesis === "" ? "none is written" : hypothesis],
            ["Variants", variants.map(({ key, weight }) => `${key} ${weightWords(weight)}`).join(", ")],
            ["For", targeting === null ? "everyone" : `where ${conditionWords(targeting)}`],
            ["Counts by", `${experiment.unitKind} in ${experiment.environment}`],
            ["Metrics", metrics.map(({ metric, role }) => `${metric} (${role})`).join(", ")],
            ["Plan", `${count(plan.unitsPlanned)} units, alpha ${plan.alpha}, ${plan.spending}`],
            ...(layer === null
              ? []
              : [["Layer", `${layer.key} from ${count(layer.from)} to ${count(layer.until)}`] as const]),
            ...(decision === null
              ? []
              : [
                  [
                    "Decided",
                    `${decision.outcome} ${decision.variant ?? ""} by look ${decision.look}: ${decision.why}`
                  ] as const
                ])
          ]}
        />
      </div>
    </Section>
  )
}

/** One experiment: what to do first, whether the figures can be trusted, then the figures. */
export default function ExperimentPage() {
  const { experimentId = "" } = useParams({ strict: false })
  const params = { experimentId }
  const queries = useQueryClient()
  const experiment = useQuery({
    queryKey: ["experiments", experimentId],
    queryFn: ({ signal }) => call("GET /v1/experiments/experiments/:experimentId", { params, signal })
  })
  const looks = useQuery({
    queryKey: ["experiments", experimentId, "looks"],
    queryFn: ({ signal }) => call("GET /v1/experiments/experiments/:experimentId/looks", { params, signal })
  })
  const looking = useMutation({
    mutationFn: () => call("POST /v1/experiments/experiments/:experimentId/looks", { params, payload: {} }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["experiments", experimentId] })
  })
  return (
    <Page
      name="Experiment"
      title={
        <Crumbs to="/experiments" list="Experiments" name={experiment.data?.name ?? experimentId}>
          {experiment.data === undefined ? null : (
            <Badge tone={statusTones[experiment.data.status]}>{experiment.data.status}</Badge>
          )}
        </Crumbs>
      }
      actions={
        experiment.data === undefined || experiment.data.status === "draft" ? null : (
          <>
            <Outcome acting={looking} done="Taken" />
            <Act scope="experiments:write" disabled={looking.isPending} onClick={() => looking.mutate()}>
              <Eye size={14} aria-hidden />
              Take a look
            </Act>
          </>
        )
      }
    >
      <Loaded query={looks}>{({ items }) => <Looks looks={items} />}</Loaded>
      <Loaded query={experiment}>{(data) => <Settings experiment={data} />}</Loaded>
    </Page>
  )
}
