import { call } from "../../api/call.ts"
import { Badge } from "../../ui/Badge.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Page } from "../../ui/Page.tsx"
import { Empty, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { environmentWords, flagPlace } from "./data.ts"

/** The flags of the tenant, with what each serves in each environment. */
export default function Flags() {
  const list = useList(["flags"], (cursor, signal) =>
    call("GET /v1/platform/flags", { query: pageQuery(cursor), signal })
  )
  return (
    <Page name="Flags" lead="Values that change without a deployment, by rules">
      <Listed
        list={list}
        empty={
          <Empty title="There is no flag">
            <code className="font-mono text-xs">POST /v1/platform/flags</code> makes one. OpenFeature,
            GrowthBook and Unleash clients read it.
          </Empty>
        }
      >
        <DataTable
          label="Flags"
          rows={list.items}
          keyOf={({ flagKey }) => flagKey}
          placeOf={({ flagKey }) => flagPlace(flagKey)}
          columns={[
            {
              name: "key",
              label: "Flag",
              cell: ({ flagKey, kind, status }) => (
                <span className="flex items-center gap-2">
                  <span className="font-mono text-xs font-medium">{flagKey}</span>
                  <Badge>{kind}</Badge>
                  {status === "archived" ? <Badge tone="warn">archived</Badge> : null}
                </span>
              )
            },
            {
              name: "environments",
              label: "Serves",
              cell: ({ environments }) => (
                <span className="flex flex-wrap gap-x-4">
                  {Object.entries(environments).map(([name, environment]) => (
                    <span key={name} className="text-xs">
                      <span className="text-soft">{name}</span> {environmentWords(environment)}
                    </span>
                  ))}
                </span>
              )
            },
            {
              name: "owner",
              label: "Owner",
              width: "140px",
              cell: ({ owner }) => <span className="text-soft text-xs">{owner ?? "–"}</span>
            },
            {
              name: "version",
              label: "Version",
              right: true,
              width: "80px",
              cell: ({ version }) => version
            },
            {
              name: "updated",
              label: "Changed",
              width: "120px",
              cell: ({ updatedAt }) => <Time at={updatedAt} />
            }
          ]}
        />
        <More list={list} />
      </Listed>
    </Page>
  )
}
