import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { useParams } from "@tanstack/react-router"
import { BellOff, CircleCheck, RotateCcw } from "lucide-react"
import { useMemo } from "react"
import { call } from "../../api/call.ts"
import type { Success } from "../../api/Endpoints.ts"
import { Act } from "../../ui/Act.tsx"
import { Badge } from "../../ui/Badge.tsx"
import { Copy } from "../../ui/Copy.tsx"
import { Crumbs } from "../../ui/Crumbs.tsx"
import { Facts } from "../../ui/Facts.tsx"
import { count, counted, utc } from "../../ui/Format.ts"
import { LazyChart } from "../../ui/LazyChart.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Outcome } from "../../ui/Outcome.tsx"
import { Page, Section } from "../../ui/Page.tsx"
import { Time } from "../../ui/Time.tsx"
import { hoursOf, type Issue, stateOfIssue } from "./data.ts"
import { IssueEvents } from "./IssueEvents.tsx"
import { pollMillis } from "../../ui/polling.ts"

type Summary = Success<"GET /v1/observability/issues/:issueId/summary">

const acts = {
  now: { label: "Resolve", payload: { in: "now" } },
  "next release": { label: "Resolve in the next release", payload: { in: "next release" } }
} as const

function Actions({ issue }: { readonly issue: Issue }) {
  const queries = useQueryClient()
  const params = { issueId: issue.issueId }
  const acting = useMutation({
    mutationFn: (act: "now" | "next release" | "mute" | "reopen"): Promise<unknown> =>
      act === "reopen"
        ? call("POST /v1/observability/issues/:issueId/reopen", { params })
        : act === "mute"
          ? call("POST /v1/observability/issues/:issueId/mute", { params, payload: { escalating: true } })
          : call("POST /v1/observability/issues/:issueId/resolve", { params, payload: acts[act].payload }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["issues"] })
  })
  const act = (name: "now" | "next release" | "mute" | "reopen") => () => acting.mutate(name)
  return (
    <>
      <Outcome acting={acting} />
      {issue.status === "unresolved" ? (
        <>
          <Act scope="observability:write" disabled={acting.isPending} onClick={act("mute")}>
            <BellOff size={14} aria-hidden />
            Mute until it escalates
          </Act>
          <Act scope="observability:write" disabled={acting.isPending} onClick={act("next release")}>
            {acts["next release"].label}
          </Act>
          <Act scope="observability:write" primary disabled={acting.isPending} onClick={act("now")}>
            <CircleCheck size={14} aria-hidden />
            {acts.now.label}
          </Act>
        </>
      ) : (
        <Act scope="observability:write" disabled={acting.isPending} onClick={act("reopen")}>
          <RotateCcw size={14} aria-hidden />
          Reopen
        </Act>
      )}
    </>
  )
}

const hourOf = (seconds: number): string => utc(new Date(seconds * 1_000).toISOString()).slice(0, 16)

/** Events per hour, and the most frequent values of each tag. */
function Frequency({ askedAt, summary }: { readonly summary: Summary; readonly askedAt: number }) {
  const hours = useMemo(() => hoursOf(summary.hours, askedAt), [summary.hours, askedAt])
  const xs = useMemo(() => hours.map(({ at }) => at), [hours])
  const series = useMemo(
    () => [
      {
        label: "Events",
        values: hours.map(({ events }) => events),
        color: "bad" as const,
        shape: "bars" as const
      }
    ],
    [hours]
  )
  return (
    <Section title="Last 14 days" note="Events per hour, in UTC">
      <div className="card p-4 pb-2">
        <LazyChart
          label="Events per hour"
          summary={`${counted(
            hours.reduce((sum, { events }) => sum + events, 0),
            "event"
          )} in the last 14 days.`}
          xs={xs}
          series={series}
          height={130}
          format={count}
          formatX={hourOf}
        />
      </div>
      {summary.tags.length === 0 ? null : (
        <ul className="mt-3 flex flex-wrap gap-2" aria-label="Tags">
          {summary.tags.map(({ events, name, value }) => (
            <li key={`${name} ${value}`}>
              <Badge>
                {name} {value} <span className="num">{count(events)}</span>
              </Badge>
            </li>
          ))}
        </ul>
      )}
    </Section>
  )
}

/** One issue: the stack first, then how often, since when and in which release. */
export default function IssuePage() {
  const { issueId = "" } = useParams({ strict: false })
  const params = { issueId }
  const issue = useQuery({
    queryKey: ["issues", issueId],
    refetchInterval: pollMillis,
    queryFn: ({ signal }) => call("GET /v1/observability/issues/:issueId", { params, signal })
  })
  const summary = useQuery({
    queryKey: ["issues", issueId, "summary"],
    queryFn: ({ signal }) => call("GET /v1/observability/issues/:issueId/summary", { params, signal })
  })
  return (
    <Page
      name="Issue"
      title={
        <Crumbs to="/errors" list="Errors" name={issue.data?.title ?? issueId}>
          {issue.data === undefined ? null : (
            <Badge tone={stateOfIssue(issue.data).tone}>{stateOfIssue(issue.data).label}</Badge>
          )}
        </Crumbs>
      }
      lead={<Copy text={issueId} />}
      actions={issue.data === undefined ? null : <Actions issue={issue.data} />}
    >
      <Loaded query={issue}>
        {(data) => (
          <>
            <div className="card p-4">
              <Facts
                facts={[
                  [
                    "Where",
                    <span key="culprit" className="font-mono text-xs">
                      {data.culprit ?? "unknown"}
                    </span>
                  ],
                  [
                    "Events",
                    `${count(data.eventCount)}, for ${counted(data.userCount, "user")}${data.sampledCount === 0 ? "" : `; ${count(data.sampledCount)} are only counted`}`
                  ],
                  ["First seen", <Time key="first" at={data.firstSeen} />],
                  ["Last seen", <Time key="last" at={data.lastSeen} />],
                  ["Releases", `${data.firstRelease ?? "unknown"} to ${data.lastRelease ?? "unknown"}`],
                  ["Assigned to", data.assignee ?? "no one"],
                  ...(data.resolution === null
                    ? []
                    : [["Resolved", `${data.resolution.in} ${data.resolution.release ?? ""}`] as const]),
                  ...(data.regressedAt === null
                    ? []
                    : [["Came back", <Time key="regressed" at={data.regressedAt} />] as const])
                ]}
              />
            </div>
            <IssueEvents issueId={issueId} />
            <Loaded query={summary} rows={4}>
              {(read) => <Frequency summary={read} askedAt={summary.dataUpdatedAt} />}
            </Loaded>
          </>
        )}
      </Loaded>
    </Page>
  )
}
