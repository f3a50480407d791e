import { useState } from "react"
import { call } from "../../api/call.ts"
import type { Success } from "../../api/Endpoints.ts"
import { textOf, useAddress } from "../../ui/address.ts"
import { Copy } from "../../ui/Copy.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { Facts } from "../../ui/Facts.tsx"
import { cx, utc } from "../../ui/Format.ts"
import { Json } from "../../ui/Json.tsx"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Page } from "../../ui/Page.tsx"
import { Side } from "../../ui/Side.tsx"
import { Empty, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { Seal } from "./Seal.tsx"

type Entry = Success<"GET /v1/platform/activity">["items"][number]

const filters = [
  ["action", "Action", "flag.created"],
  ["actorId", "Who", "key, user or process"],
  ["targetType", "Kind", "flag"],
  ["targetId", "Target", "id"]
] as const

/** Narrows the list. It is asked for when a field is left, since reading the log is an entry of the log. */
function Filters() {
  const [raw, change] = useAddress()
  const [typed, setTyped] = useState<Readonly<Record<string, string>>>({})
  return (
    <form
      className="mb-3 flex flex-wrap items-end gap-2"
      onSubmit={(event) => {
        event.preventDefault()
        change({ ...typed, entry: undefined })
      }}
    >
      {filters.map(([name, label, example]) => (
        <label key={name} className="text-soft text-xs">
          {label}
          <input
            className="field mt-1 block w-44 font-mono text-xs"
            placeholder={example}
            value={typed[name] ?? textOf(raw, name) ?? ""}
            onChange={(event) => setTyped({ ...typed, [name]: event.target.value })}
          />
        </label>
      ))}
      <button type="submit" className="btn">
        Filter
      </button>
    </form>
  )
}

function EntryPanel({ entry, onClose }: { readonly entry: Entry; readonly onClose: () => void }) {
  const { actor } = entry
  return (
    <Side
      label="Entry"
      onClose={onClose}
      title={
        <>
          <p className="font-mono text-sm font-medium">{entry.action}</p>
          <Copy text={entry.activityId} />
        </>
      }
    >
      <Facts
        facts={[
          ["When", utc(entry.recordedAt)],
          ["Who", actor === null ? "a person who was erased" : `${entry.actorType} ${actor.id}`],
          ...(actor?.onBehalfOf === undefined ? [] : [["On behalf of", actor.onBehalfOf] as const]),
          ...(actor?.address === undefined ? [] : [["From", actor.address] as const]),
          ...(actor?.requestId === undefined
            ? []
            : [["Request", <Copy key="request" text={actor.requestId} />] as const]),
          ["Target", `${entry.targetType} ${entry.targetId ?? "(erased)"}`]
        ]}
      />
      <div className="mt-4 space-y-3">
        {entry.before === undefined ? null : <Json name="before" value={entry.before} />}
        {entry.after === undefined ? null : <Json name="after" value={entry.after} />}
      </div>
    </Side>
  )
}

/** Who did what, and the proof that nothing was changed since. */
export default function AuditLog() {
  const [raw, change] = useAddress()
  const open = textOf(raw, "entry")
  const query = Object.fromEntries(
    filters.flatMap(([name]) => {
      const value = textOf(raw, name)
      return value === undefined ? [] : [[name, value] as const]
    })
  )
  const list = useList(["audit", query], (cursor, signal) =>
    call("GET /v1/platform/activity", { query: { ...pageQuery(cursor), ...query }, signal })
  )
  const entry = list.items.find(({ activityId }) => activityId === open)
  return (
    <Page name="Audit log" lead="Every change by a key, a person or a process, sealed by checkpoints">
      <Seal />
      <Filters />
      <Listed
        list={list}
        empty={
          <Empty title="No entry matches">
            Changes through the API, the console and the command are recorded in the transaction that makes
            them.
          </Empty>
        }
      >
        <div
          className={cx(
            "grid items-start gap-4",
            entry !== undefined && "xl:grid-cols-[minmax(0,1fr)_430px]"
          )}
        >
          <div className="min-w-0">
            <DataTable
              label="Entries"
              rows={list.items}
              keyOf={({ activityId }) => activityId}
              current={open}
              placeOf={({ activityId }) => ({ to: "/audit", search: { ...raw, entry: activityId } })}
              columns={[
                {
                  name: "action",
                  label: "Action",
                  cell: ({ action }) => <span className="font-mono text-xs font-medium">{action}</span>
                },
                {
                  name: "target",
                  label: "Target",
                  cell: ({ targetId, targetType }) => (
                    <span className="text-xs">
                      <span className="text-soft">{targetType}</span>{" "}
                      <span className="font-mono">{targetId ?? "(erased)"}</span>
                    </span>
                  )
                },
                {
                  name: "actor",
                  label: "Who",
                  cell: ({ actor, actorType }) => (
                    <span className="text-xs">
                      <span className="text-soft">{actorType}</span>{" "}
                      <span className="font-mono">{actor?.id ?? "(erased)"}</span>
                    </span>
                  )
                },
                {
                  name: "at",
                  label: "When",
                  width: "130px",
                  cell: ({ recordedAt }) => <Time at={recordedAt} />
                }
              ]}
            />
            <More list={list} />
          </div>
          {entry === undefined ? null : (
            <EntryPanel entry={entry} onClose={() => change({ entry: undefined })} />
          )}
        </div>
      </Listed>
    </Page>
  )
}
