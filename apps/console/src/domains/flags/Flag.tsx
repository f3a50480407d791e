import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useParams } from "@tanstack/react-router"
import { PowerOff } from "lucide-react"
import { useState } from "react"
import { call } from "../../api/call.ts"
import { Act } from "../../ui/Act.tsx"
import { Badge } from "../../ui/Badge.tsx"
import { Crumbs } from "../../ui/Crumbs.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { Dialog } from "../../ui/Dialog.tsx"
import { Facts } from "../../ui/Facts.tsx"
import { date } from "../../ui/Format.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Loaded } from "../../ui/Loaded.tsx"
import { Page, Section } from "../../ui/Page.tsx"
import { Reason } from "../../ui/Reason.tsx"
import { Empty, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { type Environment, type Flag, ruleWords, serveWords } from "./data.ts"
import { Explain } from "./Explain.tsx"

function Rules({ environment }: { readonly environment: Environment }) {
  const { otherwise, prerequisites = [], rules } = environment
  return (
    <ol className="space-y-1.5 text-sm">
      {prerequisites.map(({ flag, variants }) => (
        <li key={flag} className="text-soft">
          Only while <span className="font-mono text-xs">{flag}</span> is {variants.join(" or ")}
        </li>
      ))}
      {rules.map((rule, index) => (
        <li key={rule.ruleId} className="flex flex-wrap items-baseline gap-x-2">
          <span className="text-soft num text-xs">{index + 1}.</span>
          <span>
            Serve <b className="font-mono text-xs font-medium">{serveWords(rule.serve)}</b> to{" "}
            {ruleWords(rule)}
          </span>
          <span className="text-soft text-xs">{rule.description ?? rule.ruleId}</span>
        </li>
      ))}
      <li>
        {rules.length === 0 ? "Everyone" : "Everyone else"} gets{" "}
        <b className="font-mono text-xs font-medium">
          {otherwise === null ? "the code's own value" : serveWords(otherwise)}
        </b>
      </li>
    </ol>
  )
}

function Kill({
  environment,
  flag,
  onClose
}: {
  readonly flag: Flag
  readonly environment: string
  readonly onClose: () => void
}) {
  const queries = useQueryClient()
  const [reason, setReason] = useState("")
  const killing = useMutation({
    mutationFn: () =>
      call("POST /v1/platform/flags/:flagKey/environments/:environment/kill", {
        params: { flagKey: flag.flagKey, environment },
        payload: { reason }
      }),
    onSuccess: () => {
      onClose()
      return queries.invalidateQueries({ queryKey: ["flags"] })
    }
  })
  return (
    <Dialog
      open
      title={`Switch ${flag.flagKey} off in ${environment}`}
      act="Switch it off"
      onClose={onClose}
      onAct={() => killing.mutate()}
      isBusy={killing.isPending || reason === ""}
      error={killing.error}
    >
      <p>Every customer gets the value for off within seconds, whatever the rules say. The rules stay.</p>
      <Reason value={reason} onChange={setReason} max={500} />
    </Dialog>
  )
}

function Versions({ flagKey }: { readonly flagKey: string }) {
  const list = useList(["flags", flagKey, "versions"], (cursor, signal) =>
    call("GET /v1/platform/flags/:flagKey/versions", {
      params: { flagKey },
      query: pageQuery(cursor, 20),
      signal
    })
  )
  return (
    <Section title="Versions" note="Who changed it">
      <Listed list={list} empty={<Empty title="No version is kept" />}>
        <DataTable
          label="Versions"
          rows={list.items}
          keyOf={({ version }) => String(version)}
          columns={[
            { name: "version", label: "Version", width: "90px", cell: ({ version }) => version },
            {
              name: "actor",
              label: "By",
              cell: ({ actor }) => (
                <span className="text-xs">
                  {actor.type} <span className="font-mono">{actor.id}</span>
                </span>
              )
            },
            { name: "at", label: "When", width: "140px", cell: ({ recordedAt }) => <Time at={recordedAt} /> }
          ]}
        />
        <More list={list} />
      </Listed>
    </Section>
  )
}

/** One flag: its rules in each environment as sentences, who gets what and why, and who changed it. */
export default function FlagPage() {
  const { flagKey = "" } = useParams({ strict: false })
  const [killed, setKilled] = useState<string>()
  const flag = useQuery({
    queryKey: ["flags", flagKey],
    queryFn: ({ signal }) => call("GET /v1/platform/flags/:flagKey", { params: { flagKey }, signal })
  })
  return (
    <Page
      name={flagKey}
      title={
        <Crumbs to="/flags" list="Flags" name={flagKey}>
          {flag.data === undefined ? null : (
            <Badge tone={flag.data.status === "active" ? "good" : "warn"}>{flag.data.status}</Badge>
          )}
        </Crumbs>
      }
      lead={flag.data?.description ?? undefined}
    >
      <Loaded query={flag}>
        {(data) => (
          <>
            <div className="card p-4">
              <Facts
                facts={[
                  [
                    "Variants",
                    data.variants.map(({ name, value }) => `${name} = ${JSON.stringify(value)}`).join(", ")
                  ],
                  ["Owner", data.owner ?? "none"],
                  ["Expires", data.expiresAt === null ? "never" : date(data.expiresAt)],
                  ["Changed", <Time key="changed" at={data.updatedAt} />],
                  ...(data.archivedReason === null ? [] : [["Archived", data.archivedReason] as const])
                ]}
              />
            </div>
            {Object.entries(data.environments).map(([name, environment]) => (
              <Section
                key={name}
                title={name}
                note={environment.isEnabled ? "on" : "off"}
                side={
                  environment.isEnabled ? (
                    <Act scope="flags:write" onClick={() => setKilled(name)}>
                      <PowerOff size={14} aria-hidden />
                      Switch off in {name}
                    </Act>
                  ) : null
                }
              >
                <div className="card p-4">
                  {environment.isEnabled ? null : (
                    <p className="text-warn mb-2 text-sm">
                      Off: everyone gets {environment.offVariant ?? "the code's own value"}.
                    </p>
                  )}
                  <Rules environment={environment} />
                </div>
              </Section>
            ))}
            <Explain flag={data} />
            <Versions flagKey={flagKey} />
            {killed === undefined ? null : (
              <Kill flag={data} environment={killed} onClose={() => setKilled(undefined)} />
            )}
          </>
        )}
      </Loaded>
    </Page>
  )
}
