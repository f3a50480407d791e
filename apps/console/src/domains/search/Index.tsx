import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useParams } from "@tanstack/react-router"
import { RotateCcw } from "lucide-react"
import { useState } from "react"
import { call } from "../../api/call.ts"
import { Act } from "../../ui/Act.tsx"
import { Badge, type Tone } from "../../ui/Badge.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { Dialog } from "../../ui/Dialog.tsx"
import { count } from "../../ui/Format.ts"
import { Json } from "../../ui/Json.tsx"
import { pageQuery, useList } from "../../ui/lists.ts"
import { pollMillis } from "../../ui/polling.ts"
import { Page, Section } from "../../ui/Page.tsx"
import { PageLink } from "../../ui/PageLink.tsx"
import { Failure, Skeleton } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import type { Index, Version } from "./data.ts"

const tones: Readonly<Record<Version["status"], Tone>> = {
  building: "accent",
  validating: "accent",
  ready: "plain",
  active: "good",
  retired: "plain",
  failed: "bad"
}

function Gates({ version }: { readonly version: Version }) {
  const gates = version.gates ?? []
  if (version.failure !== null) return <span className="text-bad text-xs">{version.failure}</span>
  if (gates.length === 0) return <span className="text-soft text-xs">not run yet</span>
  const failed = gates.filter(({ passed }) => !passed)
  return (
    <details className="text-xs">
      <summary className="min-h-6 py-1">
        {failed.length === 0 ? `${gates.length} passed` : `${failed.length} of ${gates.length} did not pass`}
      </summary>
      <ul className="mt-1 space-y-0.5">
        {gates.map(({ effect, expected, found, gate, passed }) => (
          <li key={gate} className="flex gap-2">
            <Badge tone={passed ? "good" : effect === "stops" ? "bad" : "warn"}>
              {passed ? "passed" : effect}
            </Badge>
            <b className="font-medium">{gate}</b>
            <span className="text-soft">
              {found} (expected {expected})
            </span>
          </li>
        ))}
      </ul>
    </details>
  )
}

type Asked = { readonly kind: "activate"; readonly version: Version } | { readonly kind: "rollback" }

function Asking({
  asked,
  index,
  onClose
}: {
  readonly asked: Asked
  readonly index: Index
  readonly onClose: () => void
}) {
  const queries = useQueryClient()
  const params = { indexName: index.indexName }
  const acting = useMutation({
    mutationFn: () =>
      asked.kind === "rollback"
        ? call("POST /v1/search/indexes/:indexName/rollback", { params })
        : call("POST /v1/search/indexes/:indexName/versions/:versionId/activate", {
            params: { ...params, versionId: asked.version.versionId },
            payload: {}
          }),
    onSuccess: onClose,
    onSettled: () => queries.invalidateQueries({ queryKey: ["indexes"] })
  })
  const next = asked.kind === "rollback" ? index.previousVersion : asked.version.versionId
  return (
    <Dialog
      open
      title={`${asked.kind === "rollback" ? "Go back to" : "Make live"} version ${next ?? ""} of ${index.indexName}`}
      act={asked.kind === "rollback" ? "Go back" : "Make it live"}
      onClose={onClose}
      onAct={() => acting.mutate()}
      isBusy={acting.isPending}
      error={acting.error}
    >
      <p>
        Searches use it from the next one on. Version {index.activeVersion} is kept, and can be made live
        again in one step.
      </p>
    </Dialog>
  )
}

/** An index: its versions with their gates, what each is built with, and whether it agrees with the catalogue. */
export default function IndexPage() {
  const { index: name = "" } = useParams({ strict: false })
  const params = { indexName: name }
  const [asked, setAsked] = useState<Asked>()
  const index = useQuery({
    queryKey: ["indexes", name],
    refetchInterval: pollMillis,
    queryFn: ({ signal }) => call("GET /v1/search/indexes/:indexName", { params, signal })
  })
  const versions = useList(
    ["indexes", name, "versions"],
    (cursor, signal) =>
      call("GET /v1/search/indexes/:indexName/versions", { params, query: pageQuery(cursor), signal }),
    { polls: true }
  )
  const comparing = useMutation({
    mutationFn: () => call("GET /v1/search/indexes/:indexName/comparison", { params })
  })
  return (
    <Page
      name={name}
      title={
        <>
          <PageLink to="/indexes" className="text-soft hover:text-ink">
            Search indexes
          </PageLink>
          <span className="text-faint" aria-hidden>
            /
          </span>
          <span>{name}</span>
        </>
      }
      actions={
        <>
          <PageLink to="/search" search={{ index: name }} className="btn">
            Try a search
          </PageLink>
          <Act
            scope="search:admin"
            disabled={index.data === undefined || index.data.previousVersion === null}
            onClick={() => setAsked({ kind: "rollback" })}
          >
            <RotateCcw size={14} aria-hidden />
            Go back to the version before
          </Act>
        </>
      }
    >
      {index.isError ? <Failure error={index.error} retry={() => void index.refetch()} /> : null}
      {versions.isError ? (
        <Failure error={versions.error} retry={() => void versions.refetch()} />
      ) : versions.data === undefined ? (
        <Skeleton rows={3} />
      ) : (
        <>
          <DataTable
            label="Versions"
            rows={versions.items}
            keyOf={({ versionId }) => versionId}
            columns={[
              {
                name: "version",
                label: "Version",
                width: "160px",
                cell: ({ status, versionId }) => (
                  <span className="flex items-center gap-2">
                    <span className="num font-medium">{versionId}</span>
                    <Badge tone={tones[status]}>{status}</Badge>
                  </span>
                )
              },
              { name: "reason", label: "Built because", width: "120px", cell: ({ reason }) => reason },
              {
                name: "documents",
                label: "Documents",
                right: true,
                width: "110px",
                cell: ({ documents }) => count(documents)
              },
              { name: "gates", label: "Gates", cell: (row) => <Gates version={row} /> },
              {
                name: "activated",
                label: "Live since",
                width: "150px",
                cell: ({ activatedAt }) => (activatedAt === null ? "–" : <Time at={activatedAt} />)
              },
              {
                name: "act",
                label: "Actions",
                right: true,
                width: "130px",
                cell: (row) =>
                  row.status === "ready" ? (
                    <Act scope="search:admin" onClick={() => setAsked({ kind: "activate", version: row })}>
                      Make it live
                    </Act>
                  ) : null
              }
            ]}
          />
          <More list={versions} />
        </>
      )}
      {index.data === undefined ? null : (
        <>
          <Section
            title="Agreement with the catalogue"
            note="Compares every document with the one that the index holds"
            side={
              <button
                type="button"
                className="btn"
                disabled={comparing.isPending}
                onClick={() => comparing.mutate()}
              >
                {comparing.isPending ? "Comparing" : "Compare now"}
              </button>
            }
          >
            {comparing.isError ? <Failure error={comparing.error} /> : null}
            {comparing.data === undefined ? null : (
              <div className="card p-4">
                <Json value={comparing.data} />
              </div>
            )}
          </Section>
          <Section title="Settings" note="What the next version is built with">
            <div className="card p-4">
              <Json value={index.data.settings} />
            </div>
          </Section>
        </>
      )}
      {asked === undefined || index.data === undefined ? null : (
        <Asking asked={asked} index={index.data} onClose={() => setAsked(undefined)} />
      )}
    </Page>
  )
}
