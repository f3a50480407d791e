import { useQuery } from "@tanstack/react-query"
import { call } from "../../api/call.ts"
import { textOf, useAddress } from "../../ui/address.ts"
import { Badge } from "../../ui/Badge.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { cx } from "../../ui/Format.ts"
import { Json } from "../../ui/Json.tsx"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Loaded } from "../../ui/Loaded.tsx"
import { Section } from "../../ui/Page.tsx"
import { Empty, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { Withheld } from "../../ui/Withheld.tsx"
import { failuresOf, issuePlace } from "./data.ts"

/** The stack of an event, and all that the SDK sent when it is opened. */
function Event({ eventId, projectId }: { readonly projectId: number; readonly eventId: string }) {
  const event = useQuery({
    queryKey: ["events", projectId, eventId],
    queryFn: ({ signal }) =>
      call("GET /v1/observability/projects/:projectId/events/:eventId", {
        params: { projectId: String(projectId), eventId },
        signal
      })
  })
  return (
    <Loaded query={event} rows={6}>
      {({ data, withheld }) => (
        <div className="card p-4">
          {failuresOf(data).map(({ frames, title }) => (
            <div key={title} className="mb-4">
              <p className="text-sm font-medium break-words">{title}</p>
              <ol className="mt-2 space-y-1">
                {frames.map(({ isOwn, name, place }, index) => (
                  <li
                    key={`${place} ${index}`}
                    className={cx("flex flex-wrap gap-x-3 font-mono text-xs", !isOwn && "text-soft")}
                  >
                    <span className={cx(isOwn && "font-semibold")}>{name}</span>
                    <span className="text-soft break-all">{place}</span>
                  </li>
                ))}
              </ol>
            </div>
          ))}
          <Withheld scopes={withheld} what="The rest of what the SDK sent is" />
          <details className="text-sm">
            <summary className="text-soft min-h-6 py-1 text-xs">
              {withheld === undefined ? "Everything that the SDK sent" : "The part that is shown"}
            </summary>
            <Json value={data} />
          </details>
        </div>
      )}
    </Loaded>
  )
}

/** The events of an issue. The newest is shown in full unless the address names another. */
export function IssueEvents({ issueId }: { readonly issueId: string }) {
  const [raw] = useAddress()
  const list = useList(["issues", issueId, "events"], (cursor, signal) =>
    call("GET /v1/observability/issues/:issueId/events", {
      params: { issueId },
      query: pageQuery(cursor, 20),
      signal
    })
  )
  const wanted = textOf(raw, "event")
  const shown = list.items.find(({ eventId }) => eventId === wanted) ?? list.items[0]
  return (
    <>
      {shown === undefined ? null : (
        <Section title="Stack" note={shown === list.items[0] ? "Of the newest event" : "Of the chosen event"}>
          <Event projectId={shown.projectId} eventId={shown.eventId} />
        </Section>
      )}
      <Section title="Events">
        <Listed
          list={list}
          empty={
            <Empty title="No event is kept">They are deleted by age; the issue still counts them.</Empty>
          }
        >
          <DataTable
            label="Events"
            rows={list.items}
            keyOf={({ eventId }) => eventId}
            current={shown?.eventId}
            placeOf={({ eventId }) => ({ ...issuePlace(issueId), search: { event: eventId } })}
            columns={[
              {
                name: "title",
                label: "Event",
                cell: ({ isSkewed, title }) => (
                  <span className="flex items-center gap-2">
                    <span className="truncate text-xs">{title}</span>
                    {isSkewed ? <Badge tone="warn">clock was wrong</Badge> : null}
                  </span>
                )
              },
              {
                name: "release",
                label: "Release",
                width: "140px",
                cell: ({ release }) => <span className="font-mono text-xs">{release ?? "–"}</span>
              },
              {
                name: "environment",
                label: "Environment",
                width: "110px",
                cell: ({ environment }) => environment ?? "–"
              },
              {
                name: "at",
                label: "When",
                width: "120px",
                cell: ({ occurredAt }) => <Time at={occurredAt} />
              }
            ]}
          />
          <More list={list} />
        </Listed>
      </Section>
    </>
  )
}
