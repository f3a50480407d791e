import { call } from "../../api/call.ts"
import type { Success } from "../../api/Endpoints.ts"
import { Badge, type Tone } from "../../ui/Badge.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Empty, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { type Project, ProjectPage } from "./projects.tsx"

type Monitor = Success<"GET /v1/observability/projects/:projectId/monitors">["items"][number]

const tones: Readonly<Record<Monitor["status"], Tone>> = {
  ok: "good",
  late: "warn",
  missed: "bad",
  error: "bad",
  "timed-out": "bad"
}

const minuteMillis = 60_000

const scheduleOf = ({ schedule }: Monitor): string =>
  schedule === null
    ? "none"
    : schedule.cron === null
      ? `every ${Math.round((schedule.intervalMillis ?? 0) / minuteMillis)} minutes`
      : `${schedule.cron}, ${schedule.timeZone}`

function MonitorsOf({ project }: { readonly project: Project }) {
  const list = useList(
    ["monitors", String(project.projectId)],
    (cursor, signal) =>
      call("GET /v1/observability/projects/:projectId/monitors", {
        params: { projectId: String(project.projectId) },
        query: pageQuery(cursor),
        signal
      }),
    { polls: true }
  )
  return (
    <Listed
      list={list}
      empty={
        <Empty title="No task checks in">
          A task reports its runs with Sentry.withMonitor, and its monitor appears here.
        </Empty>
      }
    >
      <DataTable
        label="Monitors"
        rows={list.items}
        keyOf={({ environment, slug }) => `${environment} ${slug}`}
        columns={[
          { name: "slug", label: "Task", cell: ({ slug }) => <span className="font-medium">{slug}</span> },
          {
            name: "environment",
            label: "Environment",
            width: "120px",
            cell: ({ environment }) => environment
          },
          {
            name: "status",
            label: "State",
            width: "110px",
            cell: ({ status }) => <Badge tone={tones[status]}>{status}</Badge>
          },
          { name: "since", label: "Since", width: "120px", cell: ({ since }) => <Time at={since} /> },
          {
            name: "schedule",
            label: "Schedule",
            width: "200px",
            cell: (row) => <span className="font-mono text-xs">{scheduleOf(row)}</span>
          },
          {
            name: "next",
            label: "Next run",
            width: "120px",
            cell: ({ nextDue }) => (nextDue === null ? "–" : <Time at={nextDue} />)
          }
        ]}
      />
      <More list={list} />
    </Listed>
  )
}

/** The tasks that report their runs, and what became of the last. */
export default function Monitors() {
  return (
    <ProjectPage name="Monitors" lead="Tasks that report their runs with check-ins">
      {(project) => <MonitorsOf project={project} />}
    </ProjectPage>
  )
}
