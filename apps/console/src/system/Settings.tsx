import { useQuery } from "@tanstack/react-query"
import { useState } from "react"
import { call } from "../api/call.ts"
import type { Success } from "../api/Endpoints.ts"
import { Badge } from "../ui/Badge.tsx"
import { DataTable } from "../ui/DataTable.tsx"
import { Loaded } from "../ui/Loaded.tsx"
import { Section } from "../ui/Page.tsx"

type Setting = Success<"GET /v1/system/settings">["items"][number]

const valueOf = ({ isSecret, isSet, value }: Setting): string => {
  if (isSecret) return isSet ? "set, not shown" : "not set"
  return value ?? "not set"
}

/** The settings in force. The API never returns a secret. */
export function Settings() {
  const [text, setText] = useState("")
  const settings = useQuery({
    queryKey: ["system", "settings"],
    queryFn: ({ signal }) => call("GET /v1/system/settings", { signal })
  })
  const wanted = text.trim().toLowerCase()
  return (
    <Section
      title="Settings in force"
      note="Since the process started"
      side={
        <input
          className="field w-56"
          aria-label="Filter settings"
          placeholder="Filter"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      }
    >
      <Loaded query={settings} rows={8}>
        {({ items }) => (
          <DataTable
            label="Settings"
            rows={items.filter(({ doc, name }) => `${name} ${doc}`.toLowerCase().includes(wanted))}
            keyOf={({ name }) => name}
            columns={[
              {
                name: "name",
                label: "Setting",
                width: "340px",
                cell: ({ name }) => <span className="font-mono text-xs">{name}</span>
              },
              {
                name: "value",
                label: "In force",
                width: "220px",
                cell: (setting) => (
                  <span className="flex items-center gap-2">
                    <span className="truncate">{valueOf(setting)}</span>
                    {setting.isSet ? <Badge tone="accent">set</Badge> : null}
                  </span>
                )
              },
              {
                name: "doc",
                label: "Meaning",
                cell: ({ doc }) => <span className="block py-1 whitespace-normal">{doc}</span>
              }
            ]}
          />
        )}
      </Loaded>
    </Section>
  )
}
