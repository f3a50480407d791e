import { useMutation, useQueryClient } from "@tanstack/react-query"
import { Plus } from "lucide-react"
import { useState } from "react"
import { call, ifMatch } from "../../api/call.ts"
import type { Success } from "../../api/Endpoints.ts"
import { useAccess } from "../../shell/Access.tsx"
import { Act } from "../../ui/Act.tsx"
import { textOf, useAddress } from "../../ui/address.ts"
import { Badge, type Tone } from "../../ui/Badge.tsx"
import { useNow } from "../../ui/clock.ts"
import { Copy } from "../../ui/Copy.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { Dialog } from "../../ui/Dialog.tsx"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Page } from "../../ui/Page.tsx"
import { Reason } from "../../ui/Reason.tsx"
import { Empty, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { NewKey } from "./NewKey.tsx"

type Key = Success<"GET /v1/platform/keys">["items"][number]

const stateOf = (key: Key, now: number): { readonly tone: Tone; readonly word: string } => {
  if (key.revokedAt !== null) return { tone: "plain", word: "revoked" }
  if (key.expiresAt !== null && Date.parse(key.expiresAt) <= now) return { tone: "plain", word: "expired" }
  if (key.replacedBy !== null) return { tone: "warn", word: "replaced" }
  return { tone: "good", word: "active" }
}

function Revoke({ apiKey, onClose }: { readonly apiKey: Key; readonly onClose: () => void }) {
  const queries = useQueryClient()
  const [reason, setReason] = useState("")
  const revoking = useMutation({
    mutationFn: () =>
      call("DELETE /v1/platform/keys/:apiKeyId", {
        params: { apiKeyId: apiKey.apiKeyId },
        headers: ifMatch(apiKey.version),
        ...(reason.trim() === "" ? {} : { query: { reason: reason.trim() } })
      }),
    onSuccess: onClose,
    onSettled: () => queries.invalidateQueries({ queryKey: ["keys"] })
  })
  return (
    <Dialog
      open
      title={`Revoke the key “${apiKey.name}”`}
      act="Revoke"
      name={apiKey.name}
      onClose={onClose}
      onAct={() => revoking.mutate()}
      isBusy={revoking.isPending}
      error={revoking.error}
    >
      <p>What uses it is refused within 5 seconds, everywhere. This cannot be undone.</p>
      <Reason value={reason} onChange={setReason} />
    </Dialog>
  )
}

/** The tenant's keys: what each may do, and when it was last used. */
export default function Keys() {
  const { tenant } = useAccess()
  const now = useNow()
  const [raw] = useAddress()
  const [open, setOpen] = useState<Key | "new">()
  const list = useList(["keys"], (cursor, signal) =>
    call("GET /v1/platform/keys", { query: pageQuery(cursor), signal })
  )
  const close = () => setOpen(undefined)
  return (
    <Page
      name="Keys"
      lead={`What opens the API for ${tenant.tenantId}. A secret is shown once and stored as a hash.`}
      actions={
        <Act scope="platform:admin" primary onClick={() => setOpen("new")}>
          <Plus size={14} aria-hidden />
          New key
        </Act>
      }
    >
      <Listed
        list={list}
        empty={
          <Empty title="This tenant has no key">
            <code className="font-mono text-xs">hypermarket keys create {tenant.tenantId}</code> makes one.
          </Empty>
        }
      >
        <DataTable
          label="Keys"
          rows={list.items}
          keyOf={({ apiKeyId }) => apiKeyId}
          current={textOf(raw, "key")}
          columns={[
            {
              name: "name",
              label: "Name",
              cell: (key) => {
                const { tone, word } = stateOf(key, now)
                return (
                  <span className="flex items-center gap-2">
                    <span className="font-medium">{key.name}</span>
                    <Badge tone={tone}>{word}</Badge>
                    {key.kind === "client" ? <Badge tone="accent">client</Badge> : null}
                    {key.environment === "live" ? null : <Badge>{key.environment}</Badge>}
                  </span>
                )
              }
            },
            {
              name: "scopes",
              label: "Scopes",
              cell: ({ scopes }) => (
                <span className="flex max-w-lg flex-wrap gap-1 py-1">
                  {scopes.map((scope) => (
                    <Badge key={scope}>{scope}</Badge>
                  ))}
                </span>
              )
            },
            {
              name: "used",
              label: "Last used",
              width: "130px",
              cell: ({ lastUsedAt }) => (lastUsedAt === null ? "never" : <Time at={lastUsedAt} />)
            },
            {
              name: "expires",
              label: "Expires",
              width: "130px",
              cell: ({ expiresAt }) => (expiresAt === null ? "never" : <Time at={expiresAt} />)
            },
            {
              name: "id",
              label: "Id",
              width: "110px",
              cell: ({ apiKeyId }) => <Copy text={apiKeyId} shown={apiKeyId.slice(-8)} />
            },
            {
              name: "act",
              label: "Actions",
              width: "100px",
              cell: (key) =>
                stateOf(key, now).word === "revoked" ? null : (
                  <Act scope="platform:admin" onClick={() => setOpen(key)}>
                    Revoke
                  </Act>
                )
            }
          ]}
        />
        <More list={list} />
      </Listed>
      {open === "new" ? <NewKey onClose={close} /> : null}
      {open === undefined || open === "new" ? null : <Revoke apiKey={open} onClose={close} />}
    </Page>
  )
}
