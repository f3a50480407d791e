import { useQuery } from "@tanstack/react-query"
import { RotateCw } from "lucide-react"
import { call } from "../api/call.ts"
import type { Success } from "../api/Endpoints.ts"
import { State, type Tone } from "../ui/Badge.tsx"
import { DataTable } from "../ui/DataTable.tsx"
import { Loaded } from "../ui/Loaded.tsx"
import { Section } from "../ui/Page.tsx"

type Finding = Success<"GET /v1/system/checks">["items"][number]

const tones: Readonly<Record<Finding["status"], Tone>> = { ok: "good", warn: "warn", fail: "bad" }
const words: Readonly<Record<Finding["status"], string>> = {
  ok: "in order",
  warn: "needs a look this week",
  fail: "needs one now"
}
const order: ReadonlyArray<Finding["status"]> = ["fail", "warn", "ok"]

const keyOf = ({ check, domain, message }: Finding): string => `${domain}/${check}/${message}`

function Findings({ label, rows }: { readonly label: string; readonly rows: ReadonlyArray<Finding> }) {
  return (
    <DataTable
      label={label}
      rows={rows}
      keyOf={keyOf}
      columns={[
        {
          name: "check",
          label: "Check",
          width: "280px",
          cell: ({ check, domain, status }) => (
            <span className="flex items-center gap-2">
              <State tone={tones[status]} label={words[status]} />
              <span>
                {domain}: {check}
              </span>
            </span>
          )
        },
        {
          name: "finding",
          label: "Finding",
          cell: ({ hint, message, status }) => (
            <span className="block py-1 whitespace-normal">
              {message}
              {hint === null || status === "ok" ? null : (
                <span className="text-soft mt-0.5 block text-xs">To do: {hint}</span>
              )}
            </span>
          )
        }
      ]}
    />
  )
}

/** The findings of doctor, the urgent ones first. */
export function Checks() {
  const checks = useQuery({
    queryKey: ["system", "checks"],
    // Each run reads the whole catalogue: it is asked for by a person.
    refetchOnWindowFocus: false,
    queryFn: ({ signal }) => call("GET /v1/system/checks", { signal })
  })
  return (
    <Section
      title="Checks"
      note="As hypermarket doctor runs them"
      side={
        <button
          type="button"
          className="btn"
          disabled={checks.isFetching}
          onClick={() => void checks.refetch()}
        >
          <RotateCw size={14} aria-hidden />
          Check again
        </button>
      }
    >
      <Loaded query={checks} rows={8}>
        {({ items }) => {
          const sorted = items.toSorted((a, b) => order.indexOf(a.status) - order.indexOf(b.status))
          const open = sorted.filter(({ status }) => status !== "ok")
          const passed = sorted.filter(({ status }) => status === "ok")
          return (
            <>
              {open.length === 0 ? (
                <p className="card p-4 text-sm">Nothing needs a look.</p>
              ) : (
                <Findings label="Findings" rows={open} />
              )}
              <details className="mt-3 text-sm">
                <summary className="text-soft min-h-6 py-1 text-xs">
                  {passed.length} findings in order
                </summary>
                <Findings label="Findings in order" rows={passed} />
              </details>
            </>
          )
        }}
      </Loaded>
    </Section>
  )
}
