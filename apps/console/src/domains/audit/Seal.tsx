import { useMutation, useQuery } from "@tanstack/react-query"
import { ShieldAlert, ShieldCheck } from "lucide-react"
import { call } from "../../api/call.ts"
import type { Success } from "../../api/Endpoints.ts"
import { Copy } from "../../ui/Copy.tsx"
import { Facts } from "../../ui/Facts.tsx"
import { count, counted } from "../../ui/Format.ts"
import { Loaded } from "../../ui/Loaded.tsx"
import { Failure } from "../../ui/States.tsx"

type Report = Success<"POST /v1/platform/activity/verify">

function Verdict({ report }: { readonly report: Report }) {
  const isIntact = report.problems.length === 0
  const Icon = isIntact ? ShieldCheck : ShieldAlert
  return (
    <div role="status" className="border-line mt-3 border-t pt-3 text-sm">
      <p className={`flex items-center gap-2 font-medium ${isIntact ? "text-good" : "text-bad"}`}>
        <Icon size={16} aria-hidden />
        {isIntact
          ? `Intact: ${counted(report.rows, "entry", "entries")} under ${counted(report.checkpoints, "checkpoint")} are as they were sealed`
          : `${counted(report.problems.length, "problem")}: the log is not as it was sealed`}
      </p>
      <p className="text-soft mt-1 text-xs">
        {count(report.unsealed)} wait for the next checkpoint, {count(report.erased)} without the person who
        was erased, {count(report.dropped)} dropped by retention, {count(report.unsigned)} checkpoints without
        a signature.
      </p>
      <ul className="mt-2 space-y-1">
        {report.problems.map(({ checkpoint, id, kind, reason }) => (
          <li key={`${kind}/${id}`} className="text-xs">
            <span className="text-bad">{reason}</span>: {kind} <Copy text={id} />
            {checkpoint === null ? "" : ` of checkpoint ${checkpoint}`}
          </li>
        ))}
      </ul>
    </div>
  )
}

/** How far the log is sealed, and whether it still is as it was sealed. */
export function Seal() {
  const sealed = useQuery({
    queryKey: ["audit", "head"],
    queryFn: ({ signal }) => call("GET /v1/platform/activity/head", { signal })
  })
  const verifying = useMutation({
    mutationFn: () => call("POST /v1/platform/activity/verify", { payload: {} })
  })
  return (
    <div className="card mb-5 p-4">
      <Loaded query={sealed} rows={2}>
        {({ head, keys }) => (
          <div className="flex flex-wrap items-start justify-between gap-4">
            {head === null ? (
              <p className="text-sm">
                No entry is sealed yet.{" "}
                <span className="text-soft">A worker seals what was recorded within minutes.</span>
              </p>
            ) : (
              <Facts
                facts={[
                  ["Sealed up to", `checkpoint ${count(head.number)}`],
                  ["Head", <Copy key="head" text={head.hash} shown={`${head.hash.slice(0, 24)}…`} />],
                  [
                    "Signature",
                    head.signature === null
                      ? "none: no key is configured"
                      : `Ed25519, by ${keys.map(({ keyId }) => keyId).join(", ")}`
                  ]
                ]}
              />
            )}
            <button
              type="button"
              className="btn"
              disabled={verifying.isPending}
              onClick={() => verifying.mutate()}
            >
              {verifying.isPending ? "Verifying" : "Verify now"}
            </button>
          </div>
        )}
      </Loaded>
      {verifying.isError ? <Failure error={verifying.error} /> : null}
      {verifying.data === undefined ? null : <Verdict report={verifying.data} />}
    </div>
  )
}
