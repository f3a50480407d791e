import { Badge } from "../../ui/Badge.tsx"
import { count, cx } from "../../ui/Format.ts"
import { type Comparison, type Metric, reachOf, signed } from "./data.ts"

const flags: Readonly<Record<Comparison["flags"][number], string>> = {
  "too-few-units": "too few units",
  "no-variance": "no unit differs from another",
  "no-baseline": "the control is 0",
  unbounded: "the interval has no end",
  "no-covariate": "no fact from before the exposure",
  "no-denominator": "an arm has no denominator",
  "phase-left-out": "a phase was left out",
  "other-currency": "facts of other currencies were left out",
  "spent-nothing": "this look decides nothing",
  "p-is-bound": "p is below what is shown"
}

const width = 320
const height = 18

/** The interval of one treatment on the scale of all: the line in the middle is no effect. */
function Interval({
  comparison: { favourable, relative, significant },
  reach
}: {
  readonly comparison: Comparison
  readonly reach: number
}) {
  if (relative === null) return <span className="text-soft text-xs">no lift can be stated</span>
  const x = (value: number) => ((value / reach + 1) / 2) * width
  const tone = !significant ? "text-soft" : favourable === false ? "text-bad" : "text-good"
  const low = relative.low ?? -reach
  const high = relative.high ?? reach
  return (
    <svg
      width={width}
      height={height}
      role="img"
      aria-label={`${signed(relative.estimate)}, between ${signed(relative.low)} and ${signed(relative.high)}`}
      className={cx("max-w-full", tone)}
    >
      <line x1={width / 2} x2={width / 2} y1={0} y2={height} className="stroke-line-strong" strokeWidth={1} />
      <line
        x1={x(low)}
        x2={x(high)}
        y1={height / 2}
        y2={height / 2}
        stroke="currentColor"
        strokeWidth={4}
        strokeOpacity={0.45}
      />
      <circle cx={x(relative.estimate)} cy={height / 2} r={4} fill="currentColor" />
    </svg>
  )
}

const verdictOf = ({ favourable, significant }: Comparison) =>
  !significant
    ? { tone: "plain" as const, words: "not decided" }
    : favourable === false
      ? { tone: "bad" as const, words: "worse" }
      : { tone: "good" as const, words: "better" }

/** Each treatment beside the control, by metric, on one scale. */
export function Intervals({ metrics }: { readonly metrics: ReadonlyArray<Metric> }) {
  const reach = reachOf(metrics)
  return (
    <div className="card overflow-x-auto">
      <table className="w-full" aria-label="Treatments beside the control">
        <thead>
          <tr>
            {["Metric", "Variant", "Units", "Lift", "Interval", "Verdict"].map((name) => (
              <th key={name} scope="col" className="th">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {metrics.flatMap(({ arms, comparisons, metric, role }) =>
            comparisons.map((comparison) => {
              const verdict = verdictOf(comparison)
              const arm = arms.find(({ variant }) => variant === comparison.variant)
              return (
                <tr key={`${metric} ${comparison.variant}`}>
                  <td className="td">
                    <span className="font-mono text-xs">{metric}</span>{" "}
                    {role === "guardrail" ? <Badge tone="warn">guardrail</Badge> : null}
                  </td>
                  <td className="td font-mono text-xs">{comparison.variant}</td>
                  <td className="td num">{count(arm?.units ?? 0)}</td>
                  <td className="td num">{signed(comparison.relative?.estimate ?? null)}</td>
                  <td className="td">
                    <Interval comparison={comparison} reach={reach} />
                  </td>
                  <td className="td">
                    <Badge tone={verdict.tone}>{verdict.words}</Badge>{" "}
                    <span className="text-soft text-xs">
                      {comparison.flags.map((flag) => flags[flag]).join(", ")}
                    </span>
                  </td>
                </tr>
              )
            })
          )}
        </tbody>
      </table>
      <p className="text-soft border-line border-t px-3 py-2 text-xs">
        The line in the middle is no effect; the scale ends at {signed(reach)}. An interval that excludes it
        happens by chance with alpha at most, over all looks and goals.
      </p>
    </div>
  )
}
