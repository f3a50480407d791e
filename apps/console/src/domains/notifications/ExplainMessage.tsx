import { useMutation } from "@tanstack/react-query"
import { useState } from "react"
import { call } from "../../api/call.ts"
import { Badge } from "../../ui/Badge.tsx"
import { Section } from "../../ui/Page.tsx"
import { Failure } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { reasonWords, states } from "./data.ts"

const kinds = ["customer", "seller", "operator"] as const
type Kind = (typeof kinds)[number]

const isKind = (text: string): text is Kind => kinds.some((kind) => kind === text)

const recipientOf = (kind: Kind, id: string) =>
  kind === "customer" ? { customer: id } : kind === "seller" ? { seller: id } : { operator: id }

/** Asks why a recipient was told, or was not. */
export function ExplainMessage() {
  const [key, setKey] = useState("")
  const [kind, setKind] = useState<Kind>("customer")
  const [id, setId] = useState("")
  const asking = useMutation({
    mutationFn: () =>
      call("POST /v1/notifications/triggers/explain", { payload: { key, to: recipientOf(kind, id) } })
  })
  return (
    <Section title="Why was this person told, or not?" note="By the key of the trigger">
      <form
        className="card flex flex-wrap items-end gap-3 p-4"
        onSubmit={(event) => {
          event.preventDefault()
          asking.mutate()
        }}
      >
        <label className="text-soft text-xs">
          Trigger’s key
          <input
            className="field mt-1 block w-64 font-mono text-xs"
            placeholder="o-1001:shipped"
            value={key}
            onChange={(event) => setKey(event.target.value)}
          />
        </label>
        <label className="text-soft text-xs">
          Recipient
          <select
            className="field mt-1 block"
            value={kind}
            onChange={(event) => {
              if (isKind(event.target.value)) setKind(event.target.value)
            }}
          >
            {kinds.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label className="text-soft text-xs">
          Id
          <input
            className="field mt-1 block w-48 font-mono text-xs"
            value={id}
            onChange={(event) => setId(event.target.value)}
          />
        </label>
        <button type="submit" className="btn" disabled={key === "" || id === "" || asking.isPending}>
          Explain
        </button>
      </form>
      {asking.isError ? (
        <div className="mt-3">
          <Failure error={asking.error} />
        </div>
      ) : null}
      {asking.data === undefined ? null : (
        <ul className="card mt-3 space-y-1.5 p-4 text-sm" role="status" aria-label="Explanation">
          {asking.data.items.length === 0 ? (
            <li>This trigger has no message for this recipient.</li>
          ) : (
            asking.data.items.map(({ channel, reason, state, until }) => (
              <li key={channel} className="flex flex-wrap items-center gap-2">
                <Badge tone={states[state].tone}>{state}</Badge>
                The {channel} {states[state].words}
                {reason === null ? "" : `: ${reasonWords(reason)}`}
                {until === null ? null : (
                  <span className="text-soft text-xs">
                    due <Time at={until} />
                  </span>
                )}
              </li>
            ))
          )}
        </ul>
      )}
    </Section>
  )
}
