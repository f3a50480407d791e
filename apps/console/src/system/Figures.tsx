import { useQuery } from "@tanstack/react-query"
import { call } from "../api/call.ts"
import { DataTable } from "../ui/DataTable.tsx"
import { Loaded } from "../ui/Loaded.tsx"
import { Section } from "../ui/Page.tsx"
import { pollMillis } from "../ui/polling.ts"
import { Empty } from "../ui/States.tsx"

const figure = new Intl.NumberFormat("en-US", { maximumFractionDigits: 3 })

/** The gauges of the process: what waits, what is kept in memory. */
export function Figures() {
  const figures = useQuery({
    queryKey: ["system", "figures"],
    refetchInterval: pollMillis,
    queryFn: ({ signal }) => call("GET /v1/system/figures", { signal })
  })
  return (
    <Section title="Figures of the process" note="Every 10 seconds">
      <Loaded query={figures}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="The process has no figure yet">They come with its first requests.</Empty>
          ) : (
            <DataTable
              label="Figures"
              rows={items}
              keyOf={({ attributes, name }) => `${name} ${JSON.stringify(attributes)}`}
              columns={[
                {
                  name: "name",
                  label: "Figure",
                  width: "340px",
                  cell: ({ attributes, name }) => (
                    <span className="font-mono text-xs">
                      {name}
                      {Object.entries(attributes).map(([key, value]) => ` ${key}=${value}`)}
                    </span>
                  )
                },
                { name: "description", label: "What it counts", cell: ({ description }) => description },
                {
                  name: "value",
                  label: "Now",
                  width: "160px",
                  right: true,
                  cell: ({ value }) => figure.format(value)
                }
              ]}
            />
          )
        }
      </Loaded>
    </Section>
  )
}
