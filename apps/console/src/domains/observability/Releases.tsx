import { call } from "../../api/call.ts"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { count } from "../../ui/Format.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Empty, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { type Project, ProjectPage } from "./projects.tsx"

function ReleasesOf({ project }: { readonly project: Project }) {
  const list = useList(["error-releases", String(project.projectId)], (cursor, signal) =>
    call("GET /v1/observability/projects/:projectId/releases", {
      params: { projectId: String(project.projectId) },
      query: pageQuery(cursor),
      signal
    })
  )
  return (
    <Listed
      list={list}
      empty={<Empty title="No release was reported">An SDK names it with the option release.</Empty>}
    >
      <DataTable
        label="Releases"
        rows={list.items}
        keyOf={({ release }) => release}
        columns={[
          {
            name: "release",
            label: "Release",
            cell: ({ release }) => <span className="font-mono text-xs">{release}</span>
          },
          {
            name: "events",
            label: "Events",
            width: "110px",
            cell: ({ eventCount }) => <span className="num">{count(eventCount)}</span>
          },
          {
            name: "first",
            label: "First event",
            width: "140px",
            cell: ({ firstSeen }) => <Time at={firstSeen} />
          },
          {
            name: "last",
            label: "Last event",
            width: "140px",
            cell: ({ lastSeen }) => <Time at={lastSeen} />
          }
        ]}
      />
      <More list={list} />
    </Listed>
  )
}

/** The releases of a project by their first event. */
export default function Releases() {
  return (
    <ProjectPage name="Releases" lead="Releases under which errors were reported, the newest first">
      {(project) => <ReleasesOf project={project} />}
    </ProjectPage>
  )
}
