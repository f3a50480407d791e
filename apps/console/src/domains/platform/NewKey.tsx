import { useMutation, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { call } from "../../api/call.ts"
import { useAccess } from "../../shell/Access.tsx"
import { Copy } from "../../ui/Copy.tsx"
import { Dialog } from "../../ui/Dialog.tsx"

/** Makes a key with some of the scopes of the session's own key, and shows its secret once. */
export function NewKey({ onClose }: { readonly onClose: () => void }) {
  const { tenant } = useAccess()
  const queries = useQueryClient()
  const [name, setName] = useState("")
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  // One key for this form, however often it is sent.
  const [idempotencyKey] = useState(() => crypto.randomUUID())
  const offered = tenant.scopes.flatMap((scope) => {
    const [domain = "", level = ""] = scope.split(":")
    const levels = ["read", "write", "admin"]
    return levels.slice(0, levels.indexOf(level) + 1).map((narrower) => `${domain}:${narrower}`)
  })
  const making = useMutation({
    mutationFn: () =>
      call("POST /v1/platform/keys", {
        headers: { "idempotency-key": idempotencyKey },
        payload: { name: name.trim(), scopes: [...chosen] }
      }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["keys"] })
  })
  const secret = making.data?.secret
  if (making.data !== undefined) {
    return (
      <Dialog
        open
        title={`The key “${making.data.apiKey.name}”`}
        act="I have copied it"
        onClose={onClose}
        onAct={onClose}
      >
        <p>This is the only time that the secret is shown. Copy it to where it is used.</p>
        {secret === null || secret === undefined ? null : (
          <p className="bg-sunken rounded-md p-3 break-all">
            <Copy text={secret} />
          </p>
        )}
      </Dialog>
    )
  }
  return (
    <Dialog
      open
      title="New key"
      act="Make the key"
      onClose={onClose}
      onAct={() => making.mutate()}
      isBusy={making.isPending || name.trim() === "" || chosen.size === 0}
      error={making.error}
    >
      <label className="text-ink block">
        Name
        <input
          className="field mt-1 block w-full"
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
      </label>
      <fieldset>
        <legend className="text-ink mb-1">Scopes, of those that the session has</legend>
        <div className="border-line grid max-h-56 grid-cols-2 gap-1 overflow-y-auto rounded-md border p-2">
          {[...new Set(offered)].map((scope) => (
            <label key={scope} className="text-ink flex items-center gap-2 text-xs">
              <input
                type="checkbox"
                checked={chosen.has(scope)}
                onChange={(event) =>
                  setChosen(
                    new Set(
                      event.target.checked ? [...chosen, scope] : [...chosen].filter((item) => item !== scope)
                    )
                  )
                }
              />
              <span className="font-mono">{scope}</span>
            </label>
          ))}
        </div>
      </fieldset>
    </Dialog>
  )
}
