import { useMutation, useQueryClient } from "@tanstack/react-query"
import { Pause, Play, Zap } from "lucide-react"
import { call, ifMatch } from "../../api/call.ts"
import type { Success } from "../../api/Endpoints.ts"
import { Act } from "../../ui/Act.tsx"
import { textOf, useAddress } from "../../ui/address.ts"
import { Badge } from "../../ui/Badge.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { span } from "../../ui/Format.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Page } from "../../ui/Page.tsx"
import { PageLink } from "../../ui/PageLink.tsx"
import { Empty, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"

type Schedule = Success<"GET /v1/events/schedules">["items"][number]

const rhythmOf = ({ cron, everySeconds, timeZone }: Schedule): string =>
  cron !== null ? `${cron} ${timeZone}` : everySeconds !== null ? `every ${span(everySeconds)}` : "once"

function Actions({ schedule }: { readonly schedule: Schedule }) {
  const queries = useQueryClient()
  const params = { scheduleId: schedule.scheduleId }
  const acting = useMutation({
    mutationFn: (act: "run" | "pause"): Promise<unknown> =>
      act === "run"
        ? call("POST /v1/events/schedules/:scheduleId/run", { params })
        : call("PATCH /v1/events/schedules/:scheduleId", {
            params,
            headers: ifMatch(schedule.version),
            payload: { paused: !schedule.paused }
          }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["schedules"] })
  })
  return (
    <span className="flex items-center justify-end gap-2">
      {acting.isError ? (
        <span role="alert" className="text-bad text-xs">
          {acting.error.message}
        </span>
      ) : acting.isSuccess && acting.variables === "run" ? (
        <span role="status" className="text-good text-xs">
          enqueued
        </span>
      ) : null}
      <Act scope="events:write" disabled={acting.isPending} onClick={() => acting.mutate("run")}>
        <Zap size={14} aria-hidden />
        Run now
      </Act>
      <Act scope="events:admin" disabled={acting.isPending} onClick={() => acting.mutate("pause")}>
        {schedule.paused ? <Play size={14} aria-hidden /> : <Pause size={14} aria-hidden />}
        {schedule.paused ? "Resume" : "Pause"}
      </Act>
    </span>
  )
}

/** When each schedule runs next, and how its last run went. */
export default function Schedules() {
  const [raw] = useAddress()
  const list = useList(
    ["schedules"],
    (cursor, signal) => call("GET /v1/events/schedules", { query: pageQuery(cursor), signal }),
    { polls: true }
  )
  return (
    <Page name="Schedules" lead="Jobs that are enqueued at times of a calendar, or at an interval">
      <Listed
        list={list}
        empty={
          <Empty title="There is no schedule">
            <code className="font-mono text-xs">POST /v1/events/schedules</code> makes one, with a cron
            expression and a time zone.
          </Empty>
        }
      >
        <DataTable
          label="Schedules"
          rows={list.items}
          keyOf={({ scheduleId }) => scheduleId}
          current={textOf(raw, "schedule")}
          columns={[
            {
              name: "name",
              label: "Name",
              cell: ({ failures, lastError, name, paused }) => (
                <span className="flex items-center gap-2">
                  <span className="font-medium">{name}</span>
                  {paused ? <Badge tone="warn">paused</Badge> : null}
                  {failures === 0 ? null : (
                    <Badge tone="bad">
                      {failures} failed: {lastError ?? "no reason"}
                    </Badge>
                  )}
                </span>
              )
            },
            {
              name: "rhythm",
              label: "Runs",
              cell: (row) => <span className="font-mono text-xs">{rhythmOf(row)}</span>
            },
            {
              name: "queue",
              label: "Queue",
              cell: ({ queue }) => (
                <PageLink to={`/queues/${encodeURIComponent(queue)}`} className="link font-mono text-xs">
                  {queue}
                </PageLink>
              )
            },
            {
              name: "next",
              label: "Next",
              width: "130px",
              cell: ({ nextAt }) => (nextAt === null ? "–" : <Time at={nextAt} />)
            },
            {
              name: "last",
              label: "Last",
              width: "130px",
              cell: ({ lastAt }) => (lastAt === null ? "never" : <Time at={lastAt} />)
            },
            {
              name: "act",
              label: "Actions",
              right: true,
              width: "240px",
              cell: (row) => <Actions schedule={row} />
            }
          ]}
        />
        <More list={list} />
      </Listed>
    </Page>
  )
}
