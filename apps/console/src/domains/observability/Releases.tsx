import { call } from "../../api/call.ts"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { count } from "../../ui/Format.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Page } from "../../ui/Page.tsx"
import { Empty, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { ChooseProject, type Project, useProject } from "./projects.tsx"

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
  const { choose, list, project } = useProject()
  return (
    <Page name="Releases" lead="Releases under which errors were reported, the newest first">
      <Listed
        list={list}
        empty={<Empty title="There is no project">Create one, and point the DSN of an SDK at it.</Empty>}
      >
        {project === undefined ? null : (
          <>
            <ChooseProject projects={list.items} project={project} choose={choose} />
            <ReleasesOf project={project} />
          </>
        )}
      </Listed>
    </Page>
  )
}
