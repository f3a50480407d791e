/** "Find anything": pages by their name, things of all domains by their id. */
import { Autocomplete } from "@base-ui/react/autocomplete"
import { Dialog } from "@base-ui/react/dialog"
import { keepPreviousData, useQuery } from "@tanstack/react-query"
import { useNavigate } from "@tanstack/react-router"
import { useDeferredValue, useState } from "react"
import { call } from "../api/call.ts"
import { installed, placeOf } from "../registry.ts"
import type { Place } from "../ui/DataTable.tsx"
import { useAccess } from "./Access.tsx"

interface Entry {
  readonly key: string
  readonly title: string
  readonly hint: string
  readonly place: Place
}

export default function Palette({ onClose }: { readonly onClose: () => void }) {
  const { session } = useAccess()
  const navigate = useNavigate()
  const [typed, setTyped] = useState("")
  const text = useDeferredValue(typed.trim())
  const found = useQuery({
    queryKey: ["find", text],
    enabled: text.length > 1,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => call("GET /v1/overview/search", { query: { q: text }, signal })
  })
  const pages = installed(session)
    .flatMap((registered) => registered.pages)
    .flatMap(({ key, label, path }): ReadonlyArray<Entry> =>
      label === undefined || !label.toLowerCase().includes(text.toLowerCase())
        ? []
        : [{ key: path, title: label, hint: key === undefined ? "page" : `g ${key}`, place: { to: path } }]
    )
  const things = text.length > 1 ? (found.data?.items ?? []) : []
  const entries: ReadonlyArray<Entry> = [
    ...things.flatMap(({ id, kind, title }): ReadonlyArray<Entry> => {
      const place = placeOf(kind, id)
      return place === undefined ? [] : [{ key: `${kind}/${id}`, title, hint: kind, place }]
    }),
    ...pages
  ]
  const open = ({ place }: Entry) => {
    onClose()
    void navigate({ to: place.to, search: place.search ?? {} })
  }
  return (
    <Dialog.Root
      open
      onOpenChange={(isOpen) => {
        if (!isOpen) onClose()
      }}
    >
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-40 bg-black/35" />
        <Dialog.Popup
          className="floating fade fixed top-[14vh] left-1/2 z-50 w-[580px] max-w-[92vw] -translate-x-1/2 overflow-hidden"
          aria-label="Find anything"
        >
          <Autocomplete.Root
            open
            inline
            autoHighlight="always"
            items={entries}
            filter={null}
            value={typed}
            onValueChange={(value) => setTyped(value)}
            itemToStringValue={({ title }: Entry) => title}
          >
            <Autocomplete.Input
              aria-label="Find anything"
              placeholder="The id of an order or a product, a name, a page"
              className="border-line placeholder:text-faint h-12 w-full border-b bg-transparent px-4 text-base outline-none"
            />
            <Autocomplete.Empty className="text-soft px-4 py-3 text-sm empty:hidden">
              {found.isFetching
                ? "Asking every domain"
                : "No domain knows this id, and no page has this name."}
            </Autocomplete.Empty>
            <Autocomplete.List className="max-h-80 overflow-y-auto p-1.5">
              {(entry: Entry) => (
                <Autocomplete.Item
                  key={entry.key}
                  value={entry}
                  onClick={() => open(entry)}
                  className="data-highlighted:bg-hover flex cursor-pointer items-center gap-3 rounded-md px-2.5 py-2 text-sm"
                >
                  <span className="truncate">{entry.title}</span>
                  <span className="text-soft ml-auto text-xs">{entry.hint}</span>
                </Autocomplete.Item>
              )}
            </Autocomplete.List>
            {(found.data?.missing ?? []).length === 0 ? null : (
              <p className="border-line text-soft border-t px-4 py-2 text-xs">
                Not asked:{" "}
                {found.data?.missing.map(({ domain, reason }) => `${domain} (${reason})`).join(", ")}
              </p>
            )}
          </Autocomplete.Root>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
