/** The choice of a project, for pages that show one. */
import type { ReactNode } from "react"
import { call } from "../../api/call.ts"
import type { Success } from "../../api/Endpoints.ts"
import { textOf, useAddress } from "../../ui/address.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Page } from "../../ui/Page.tsx"
import { Segments } from "../../ui/Segments.tsx"
import { Empty, Listed } from "../../ui/States.tsx"

export type Project = Success<"GET /v1/observability/projects">["items"][number]

const projectsMax = 200

/** The projects, the one that the address names, and else the first. */
function useProject() {
  const [raw, change] = useAddress()
  const list = useList(["error-projects"], (cursor, signal) =>
    call("GET /v1/observability/projects", { query: pageQuery(cursor, projectsMax), signal })
  )
  const wanted = textOf(raw, "project")
  const project = list.items.find(({ projectId }) => String(projectId) === wanted) ?? list.items[0]
  return { list, project, choose: (projectId: string) => change({ project: projectId }) }
}

function ChooseProject({
  choose,
  project,
  projects
}: {
  readonly projects: ReadonlyArray<Project>
  readonly project: Project
  readonly choose: (projectId: string) => void
}) {
  return (
    <div className="mb-3">
      <Segments
        label="Project"
        value={String(project.projectId)}
        onChange={choose}
        options={projects.map(({ name, projectId }) => ({ value: String(projectId), label: name }))}
      />
    </div>
  )
}

/** A page on one project, which the reader chooses. */
export function ProjectPage({
  children,
  lead,
  name
}: {
  readonly name: string
  readonly lead: string
  readonly children: (project: Project) => ReactNode
}) {
  const { choose, list, project } = useProject()
  return (
    <Page name={name} lead={lead}>
      <Listed
        list={list}
        empty={<Empty title="There is no project">Create one, and point the DSN of an SDK at it.</Empty>}
      >
        {project === undefined ? null : (
          <>
            <ChooseProject projects={list.items} project={project} choose={choose} />
            {children(project)}
          </>
        )}
      </Listed>
    </Page>
  )
}
