/**
 * The HTTP groups of error projects and issues: schemas and endpoints.
 *
 * @since 0.1.0
 */
import * as Api from "@hypermarket/core/Api"
import { Audited } from "@hypermarket/core/Audit"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Page from "@hypermarket/core/Page"
import * as Precondition from "@hypermarket/core/Precondition"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import {
  ErrorProject,
  ErrorProjectChange,
  ErrorProjectExists,
  ErrorProjectLimit,
  ErrorProjectNotFound,
  ErrorRelease,
  ItemCount,
  NewErrorProject,
  ProjectIdFromText,
  ReleaseName,
  ReleaseNotFound
} from "./ErrorProject.ts"
import {
  Assign,
  EventNotFound,
  InstallationIssueFilter,
  Issue,
  IssueEvent,
  IssueEventData,
  IssueFilter,
  IssueId,
  IssueMerged,
  IssueNotFound,
  IssueSummary,
  Merge,
  MergeInvalid,
  NewMute,
  Resolve,
  Unmerge
} from "./Issue.ts"
import { Monitor, MonitorCheckIn, MonitorName, MonitorNotFound } from "./Monitor.ts"

const project = { projectId: ProjectIdFromText }
const monitor = { ...project, ...MonitorName.fields }
const issue = { issueId: IssueId }
const changeErrors = [IssueNotFound, IssueMerged] as const

/**
 * @category api
 * @since 0.1.0
 */
export class ProjectGroup extends Endpoint.group(
  "projects",
  {
    title: "Error projects",
    description:
      "An application reports its errors to a project. A client key that is bound to the project is the first part of its DSN, `https://<key>@<host>/sentry/<project id>`."
  },
  HttpApiEndpoint.post("createProject", "/v1/observability/projects", {
    headers: IdempotencyKey.Headers,
    payload: NewErrorProject,
    success: Precondition.Tagged(ErrorProject.pipe(HttpApiSchema.status(201))),
    error: [ErrorProjectExists, ErrorProjectLimit, ...IdempotencyKey.errors]
  })
    .annotate(Audited, "error-project.created")
    .annotate(RequiredScope, "observability:write"),
  HttpApiEndpoint.get("listProjects", "/v1/observability/projects", {
    query: Page.Query,
    success: Page.schema(ErrorProject),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "observability:read"),
  HttpApiEndpoint.get("getProject", "/v1/observability/projects/:projectId", {
    params: project,
    success: Precondition.Tagged(ErrorProject),
    error: ErrorProjectNotFound
  }).annotate(RequiredScope, "observability:read"),
  HttpApiEndpoint.patch("changeProject", "/v1/observability/projects/:projectId", {
    params: project,
    headers: Precondition.Headers,
    payload: ErrorProjectChange,
    success: Precondition.Tagged(ErrorProject),
    error: [ErrorProjectNotFound, Precondition.PreconditionRequired, Precondition.VersionStale]
  })
    .annotate(Audited, "error-project.changed")
    .annotate(RequiredScope, "observability:write"),
  HttpApiEndpoint.get("counts", "/v1/observability/projects/:projectId/counts", {
    params: project,
    success: Schema.Struct({ items: Schema.Array(ItemCount) }),
    error: ErrorProjectNotFound
  }).annotate(RequiredScope, "observability:read")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class ReleaseGroup extends Endpoint.group(
  "releases",
  {
    title: "Error releases",
    description:
      "A release is a name under which events were reported, such as `shop@2.10.0`. Releases are ordered by version when both have one, else by their first event."
  },
  HttpApiEndpoint.get("listReleases", "/v1/observability/projects/:projectId/releases", {
    params: project,
    query: Page.Query,
    success: Page.schema(ErrorRelease),
    error: [ErrorProjectNotFound, Page.CursorInvalid]
  }).annotate(RequiredScope, "observability:read"),
  HttpApiEndpoint.post("removeRelease", "/v1/observability/projects/:projectId/releases/remove", {
    params: project,
    payload: Schema.Struct({ release: ReleaseName }),
    success: HttpApiSchema.NoContent,
    error: [ErrorProjectNotFound, ReleaseNotFound]
  })
    .annotate(Audited, "error-release.removed")
    .annotate(RequiredScope, "observability:write")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class IssueGroup extends Endpoint.group(
  "issues",
  {
    title: "Issues",
    description:
      "An issue groups events with one cause, across releases and wrapped errors. It is unresolved, resolved or muted. A new issue, a regression and the end of a mute are each published once."
  },
  HttpApiEndpoint.get("listIssues", "/v1/observability/issues", {
    query: {
      ...Page.Query,
      status: IssueFilter.fields.status,
      projectId: Schema.optionalKey(ProjectIdFromText),
      query: IssueFilter.fields.query,
      release: IssueFilter.fields.release,
      sort: IssueFilter.fields.sort
    },
    success: Page.schema(Issue),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "observability:read"),
  HttpApiEndpoint.get("getIssue", "/v1/observability/issues/:issueId", {
    params: issue,
    success: Precondition.Tagged(Issue),
    error: IssueNotFound
  }).annotate(RequiredScope, "observability:read"),
  HttpApiEndpoint.get("summary", "/v1/observability/issues/:issueId/summary", {
    params: issue,
    success: IssueSummary,
    error: IssueNotFound
  }).annotate(RequiredScope, "observability:read"),
  HttpApiEndpoint.get("events", "/v1/observability/issues/:issueId/events", {
    params: issue,
    query: Page.Query,
    success: Page.schema(IssueEvent),
    error: [IssueNotFound, Page.CursorInvalid]
  }).annotate(RequiredScope, "observability:read"),
  HttpApiEndpoint.get("event", "/v1/observability/projects/:projectId/events/:eventId", {
    params: { ...project, eventId: Identifier.Uuid },
    success: IssueEventData,
    error: EventNotFound
  }).annotate(RequiredScope, "observability:read"),
  HttpApiEndpoint.post("resolveIssue", "/v1/observability/issues/:issueId/resolve", {
    params: issue,
    payload: Resolve,
    success: Precondition.Tagged(Issue),
    error: changeErrors
  })
    .annotate(Audited, "issue.resolved")
    .annotate(RequiredScope, "observability:write"),
  HttpApiEndpoint.post("reopenIssue", "/v1/observability/issues/:issueId/reopen", {
    params: issue,
    success: Precondition.Tagged(Issue),
    error: changeErrors
  })
    .annotate(Audited, "issue.reopened")
    .annotate(RequiredScope, "observability:write"),
  HttpApiEndpoint.post("muteIssue", "/v1/observability/issues/:issueId/mute", {
    params: issue,
    payload: NewMute,
    success: Precondition.Tagged(Issue),
    error: changeErrors
  })
    .annotate(Audited, "issue.muted")
    .annotate(RequiredScope, "observability:write"),
  HttpApiEndpoint.post("assignIssue", "/v1/observability/issues/:issueId/assign", {
    params: issue,
    payload: Assign,
    success: Precondition.Tagged(Issue),
    error: changeErrors
  })
    .annotate(Audited, "issue.assigned")
    .annotate(RequiredScope, "observability:write"),
  HttpApiEndpoint.post("mergeIssues", "/v1/observability/issues/:issueId/merge", {
    params: issue,
    payload: Merge,
    success: Precondition.Tagged(Issue),
    error: [...changeErrors, MergeInvalid]
  })
    .annotate(Audited, "issue.merged")
    .annotate(RequiredScope, "observability:write"),
  HttpApiEndpoint.post("unmergeIssue", "/v1/observability/issues/:issueId/unmerge", {
    params: issue,
    payload: Unmerge,
    success: Precondition.Tagged(Issue),
    error: [...changeErrors, MergeInvalid]
  })
    .annotate(Audited, "issue.unmerged")
    .annotate(RequiredScope, "observability:write"),
  HttpApiEndpoint.delete("removeIssue", "/v1/observability/issues/:issueId", {
    params: issue,
    headers: Precondition.Headers,
    success: HttpApiSchema.NoContent,
    error: [...changeErrors, Precondition.PreconditionRequired, Precondition.VersionStale]
  })
    .annotate(Audited, "issue.removed")
    .annotate(RequiredScope, "observability:write")
) {}

/**
 * The issues of the installation, for the tenant-less `system:admin` credential.
 *
 * @category api
 * @since 0.1.0
 */
export class InstallationIssueGroup extends Endpoint.systemGroup(
  "installationIssues",
  {
    title: "Issues of the installation",
    description:
      "Errors of the API and of the workers, which report them in process. No tenant sees them, and no tenant's issue is among them. These operations need the tenant-less credential."
  },
  HttpApiEndpoint.get("listIssues", "/v1/system/issues", {
    query: {
      ...Page.Query,
      status: InstallationIssueFilter.fields.status,
      query: InstallationIssueFilter.fields.query,
      release: InstallationIssueFilter.fields.release,
      sort: InstallationIssueFilter.fields.sort
    },
    success: Page.schema(Issue),
    error: Page.CursorInvalid
  }),
  HttpApiEndpoint.get("getIssue", "/v1/system/issues/:issueId", {
    params: issue,
    success: Precondition.Tagged(Issue),
    error: IssueNotFound
  }),
  HttpApiEndpoint.get("summary", "/v1/system/issues/:issueId/summary", {
    params: issue,
    success: IssueSummary,
    error: IssueNotFound
  }),
  HttpApiEndpoint.get("events", "/v1/system/issues/:issueId/events", {
    params: issue,
    query: Page.Query,
    success: Page.schema(IssueEvent),
    error: [IssueNotFound, Page.CursorInvalid]
  }),
  HttpApiEndpoint.get("event", "/v1/system/error-events/:eventId", {
    params: { eventId: Identifier.Uuid },
    success: IssueEventData,
    error: EventNotFound
  }),
  HttpApiEndpoint.post("resolveIssue", "/v1/system/issues/:issueId/resolve", {
    params: issue,
    payload: Resolve,
    success: Precondition.Tagged(Issue),
    error: changeErrors
  }).annotate(Audited, "issue.resolved"),
  HttpApiEndpoint.post("reopenIssue", "/v1/system/issues/:issueId/reopen", {
    params: issue,
    success: Precondition.Tagged(Issue),
    error: changeErrors
  }).annotate(Audited, "issue.reopened"),
  HttpApiEndpoint.post("muteIssue", "/v1/system/issues/:issueId/mute", {
    params: issue,
    payload: NewMute,
    success: Precondition.Tagged(Issue),
    error: changeErrors
  }).annotate(Audited, "issue.muted")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class MonitorGroup extends Endpoint.group(
  "monitors",
  {
    title: "Monitors",
    description:
      "A monitor is a task that reports its runs with check-ins of an SDK, such as `Sentry.withMonitor`. Its schedule comes with them. A run that is missed, late, failed or too long changes its status, and the change is published once."
  },
  HttpApiEndpoint.get("listMonitors", "/v1/observability/projects/:projectId/monitors", {
    params: project,
    query: Page.Query,
    success: Page.schema(Monitor),
    error: [ErrorProjectNotFound, Page.CursorInvalid]
  }).annotate(RequiredScope, "observability:read"),
  HttpApiEndpoint.get(
    "checkIns",
    "/v1/observability/projects/:projectId/monitors/:environment/:slug/check-ins",
    {
      params: monitor,
      query: Page.Query,
      success: Page.schema(MonitorCheckIn),
      error: [MonitorNotFound, Page.CursorInvalid]
    }
  ).annotate(RequiredScope, "observability:read"),
  HttpApiEndpoint.post(
    "removeMonitor",
    "/v1/observability/projects/:projectId/monitors/:environment/:slug/remove",
    { params: monitor, success: HttpApiSchema.NoContent, error: MonitorNotFound }
  )
    .annotate(Audited, "error-monitor.removed")
    .annotate(RequiredScope, "observability:write")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class ObservabilityApi extends HttpApi.make(Api.id)
  .add(ProjectGroup)
  .add(ReleaseGroup)
  .add(IssueGroup)
  .add(InstallationIssueGroup)
  .add(MonitorGroup) {}
