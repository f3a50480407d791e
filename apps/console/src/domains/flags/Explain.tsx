import { useMutation } from "@tanstack/react-query"
import { useState } from "react"
import { call } from "../../api/call.ts"
import type { Success } from "../../api/Endpoints.ts"
import { Badge, type Tone } from "../../ui/Badge.tsx"
import { Json } from "../../ui/Json.tsx"
import { Section } from "../../ui/Page.tsx"
import { Failure } from "../../ui/States.tsx"
import type { Flag } from "./data.ts"

type Explanation = Success<"POST /v1/platform/flags/:flagKey/explain">
type Verdict = Explanation["rules"][number]

const verdicts: Readonly<Record<Verdict["outcome"], { readonly tone: Tone; readonly words: string }>> = {
  applies: { tone: "good", words: "applies" },
  condition: { tone: "plain", words: "its condition does not hold" },
  prerequisite: { tone: "plain", words: "a prerequisite is not met" },
  "no unit": { tone: "warn", words: "the attribute for the bucket is missing" },
  bucket: { tone: "plain", words: "outside of the percentage" },
  broken: { tone: "bad", words: "cannot be evaluated" }
}

const reasons: Readonly<Record<Explanation["evaluation"]["reason"], string>> = {
  STATIC: "the environment has no rules",
  TARGETING_MATCH: "a rule applies to everyone who fulfils it",
  SPLIT: "the bucket decided",
  DEFAULT: "no rule applies",
  DISABLED: "the flag is off, or a prerequisite of it is not met",
  ERROR: "it cannot be evaluated"
}

const isObject = (value: unknown): value is Readonly<Record<string, never>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Returns the attributes that the text is, or undefined where it is no object of JSON. */
const contextOf = (text: string): Readonly<Record<string, never>> | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function Answer({ explanation }: { readonly explanation: Explanation }) {
  const { evaluation, rules } = explanation
  return (
    <div className="card mt-3 p-4" role="status" aria-label="Explanation">
      <p className="text-sm">
        Serves{" "}
        <b className="font-mono font-medium">
          {evaluation.variant ?? (evaluation.value === undefined ? "the code's own value" : "a value")}
        </b>
        : {reasons[evaluation.reason]}.
        {evaluation.errorDetails === undefined ? "" : ` ${evaluation.errorDetails}`}
      </p>
      <ol className="mt-3 space-y-2">
        {rules.map((rule) => {
          const { tone, words } = verdicts[rule.outcome]
          return (
            <li key={rule.ruleId} className="flex flex-wrap items-center gap-2 text-sm">
              <span className="font-mono text-xs">{rule.ruleId}</span>
              <Badge tone={tone}>{words}</Badge>
              {rule.decided ? <Badge tone="accent">decided</Badge> : null}
              {rule.bucket === undefined ? null : (
                <span className="text-soft num text-xs">bucket {rule.bucket.toFixed(4)}</span>
              )}
              {rule.condition === undefined ? null : (
                <details className="w-full text-xs">
                  <summary className="text-soft min-h-6 py-1">Each part of the condition</summary>
                  <Json value={rule.condition} />
                </details>
              )}
            </li>
          )
        })}
      </ol>
    </div>
  )
}

/** Asks what a customer gets, and why. */
export function Explain({ flag }: { readonly flag: Flag }) {
  const names = Object.keys(flag.environments)
  const [environment, setEnvironment] = useState(names[0] ?? "live")
  const [text, setText] = useState('{ "targetingKey": "customer-1" }')
  const context = contextOf(text)
  const asking = useMutation({
    mutationFn: (attributes: Readonly<Record<string, never>>) =>
      call("POST /v1/platform/flags/:flagKey/explain", {
        params: { flagKey: flag.flagKey },
        payload: { environment, context: attributes }
      })
  })
  return (
    <Section title="Why does this customer get it?" note="Every rule is tried for the attributes">
      <form
        className="card flex flex-wrap items-end gap-3 p-4"
        onSubmit={(event) => {
          event.preventDefault()
          if (context !== undefined) asking.mutate(context)
        }}
      >
        <label className="text-soft text-xs">
          Environment
          <select
            className="field mt-1 block"
            value={environment}
            onChange={(event) => setEnvironment(event.target.value)}
          >
            {names.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label className="text-soft min-w-0 flex-1 text-xs">
          Attributes, as JSON
          <textarea
            className="field mt-1 block h-16 w-full py-1.5 font-mono text-xs"
            value={text}
            spellCheck={false}
            aria-invalid={context === undefined}
            onChange={(event) => setText(event.target.value)}
          />
        </label>
        <button
          type="submit"
          className="btn btn-primary"
          disabled={context === undefined || asking.isPending}
        >
          Explain
        </button>
        {context === undefined ? (
          <p role="alert" className="text-bad w-full text-xs">
            The attributes are not an object of JSON.
          </p>
        ) : null}
      </form>
      {asking.isError ? <Failure error={asking.error} /> : null}
      {asking.data === undefined ? null : <Answer explanation={asking.data} />}
    </Section>
  )
}
