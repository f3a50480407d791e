/** The choice of a project, for pages that show one. */
import { call } from "../../api/call.ts"
import type { Success } from "../../api/Endpoints.ts"
import { textOf, useAddress } from "../../ui/address.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Segments } from "../../ui/Segments.tsx"

export type Project = Success<"GET /v1/observability/projects">["items"][number]

const projectsMax = 200

/** The projects, the one that the address names, and else the first. */
export function useProject() {
  const [raw, change] = useAddress()
  const list = useList(["error-projects"], (cursor, signal) =>
    call("GET /v1/observability/projects", { query: pageQuery(cursor, projectsMax), signal })
  )
  const wanted = textOf(raw, "project")
  const project = list.items.find(({ projectId }) => String(projectId) === wanted) ?? list.items[0]
  return { list, project, choose: (projectId: string) => change({ project: projectId }) }
}

export function ChooseProject({
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
