import { useMutation } from "@tanstack/react-query"
import { useState } from "react"
import { call } from "../../api/call.ts"
import { Badge } from "../../ui/Badge.tsx"
import { Section } from "../../ui/Page.tsx"
import { Failure } from "../../ui/States.tsx"

const fields = [
  ["action", "Action", "listing.publish", "w-44"],
  ["region", "Region", "AT", "w-24"],
  ["channel", "Channel", "web", "w-28"],
  ["category", "Category", "wine", "w-32"],
  ["at", "In force at", "2027-05-01T00:00:00Z", "w-52"],
  ["knownAt", "As known at", "2027-04-01T00:00:00Z", "w-52"]
] as const

type Name = (typeof fields)[number][0]

/** Asks what holds for an action, in a place, at a time, and as it was known at a time. */
export function Ask() {
  const [typed, setTyped] = useState<Readonly<Partial<Record<Name, string>>>>({})
  const { action = "", ...rest } = typed
  const asking = useMutation({
    mutationFn: () =>
      call("POST /v1/platform/policy/decisions", {
        payload: {
          action,
          ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== ""))
        }
      })
  })
  return (
    <Section title="What holds?" note="Empty times are now">
      <form
        className="card flex flex-wrap items-end gap-3 p-4"
        onSubmit={(event) => {
          event.preventDefault()
          asking.mutate()
        }}
      >
        {fields.map(([name, label, example, width]) => (
          <label key={name} className="text-soft text-xs">
            {label}
            <input
              className={`field mt-1 block ${width} font-mono text-xs`}
              placeholder={example}
              value={typed[name] ?? ""}
              onChange={(event) => setTyped({ ...typed, [name]: event.target.value })}
            />
          </label>
        ))}
        <button type="submit" className="btn btn-primary" disabled={action === "" || asking.isPending}>
          Decide
        </button>
      </form>
      {asking.isError ? (
        <div className="mt-3">
          <Failure error={asking.error} />
        </div>
      ) : null}
      {asking.data === undefined ? null : (
        <div className="card mt-3 p-4 text-sm" role="status" aria-label="Decision">
          <p className="flex flex-wrap items-center gap-2">
            <Badge tone={asking.data.effect === "allow" ? "good" : "bad"}>{asking.data.effect}</Badge>
            {asking.data.undetermined ? <Badge tone="warn">something unknown decided</Badge> : null}
            {asking.data.requires.length === 0 ? null : (
              <span>requires {asking.data.requires.join(", ")}</span>
            )}
            {asking.data.value === undefined ? null : (
              <span className="font-mono text-xs">{JSON.stringify(asking.data.value)}</span>
            )}
          </p>
          {asking.data.because.length === 0 ? (
            <p className="text-soft mt-2 text-xs">No policy speaks of it.</p>
          ) : (
            <ul className="mt-2 space-y-1 text-xs">
              {asking.data.because.map(({ legalBasis, policyId, policyKey, source, version }) => (
                <li key={policyId}>
                  <span className="font-mono">
                    {policyKey} v{version}
                  </span>{" "}
                  {legalBasis} <span className="text-soft">{source}</span>
                </li>
              ))}
            </ul>
          )}
        </div>
      )}
    </Section>
  )
}
