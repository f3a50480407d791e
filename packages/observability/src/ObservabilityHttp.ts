/**
 * Handlers of the HTTP groups of error projects, releases and issues.
 *
 * @since 0.1.0
 */
import * as AccessScope from "@hypermarket/core/AccessScope"
import * as AuditedReading from "@hypermarket/core/AuditedReading"
import { Caller } from "@hypermarket/core/Credentials"
import * as IdempotentRequests from "@hypermarket/core/IdempotentRequests"
import { expectedVersion, tagged } from "@hypermarket/core/Precondition"
import * as Storage from "@hypermarket/core/Storage"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { ErrorProject, NewErrorProject } from "./ErrorProject.ts"
import { ErrorProjects } from "./ErrorProjects.ts"
import { InstallationIssues } from "./InstallationIssues.ts"
import { shownTo } from "./internal/shownEvent.ts"
import { Issues } from "./Issues.ts"
import { Monitors } from "./Monitors.ts"
import { ObservabilityApi } from "./ObservabilityApi.ts"

const createProject = IdempotentRequests.create({
  operation: "observability.createProject",
  payload: NewErrorProject,
  answer: ErrorProject
})

const projects = HttpApiBuilder.group(
  ObservabilityApi,
  "projects",
  Effect.fn(function* (handlers) {
    const service = yield* ErrorProjects
    const createOnce = yield* createProject
    return handlers.handleAll({
      createProject: ({ headers, payload }) =>
        createOnce({ headers, payload }, service.create(payload)).pipe(
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      listProjects: ({ query }) => service.list(query).pipe(Storage.orUnavailable),
      getProject: ({ params }) =>
        service.get(params.projectId).pipe(Effect.map(tagged), Storage.orUnavailable),
      changeProject: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => service.change(params.projectId, version, payload)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      counts: ({ params }) =>
        service.counts(params.projectId).pipe(
          Effect.map((items) => ({ items })),
          Storage.orUnavailable
        )
    })
  })
)

const releases = HttpApiBuilder.group(
  ObservabilityApi,
  "releases",
  Effect.fn(function* (handlers) {
    const service = yield* ErrorProjects
    return handlers.handleAll({
      listReleases: ({ params, query }) =>
        service.releases(params.projectId, query).pipe(Storage.orUnavailable),
      removeRelease: ({ params, payload }) =>
        service.removeRelease(params.projectId, payload.release).pipe(Storage.orUnavailable)
    })
  })
)

const issues = HttpApiBuilder.group(
  ObservabilityApi,
  "issues",
  Effect.fn(function* (handlers) {
    const service = yield* Issues
    const readings = AuditedReading.make(yield* SqlClient.SqlClient)
    return handlers.handleAll({
      listIssues: ({ query }) => service.list(query).pipe(Storage.orUnavailable),
      getIssue: ({ params }) => service.get(params.issueId).pipe(Effect.map(tagged), Storage.orUnavailable),
      summary: ({ params }) => service.summary(params.issueId).pipe(Storage.orUnavailable),
      events: ({ params, query }) => service.events(params.issueId, query).pipe(Storage.orUnavailable),
      event: Effect.fnUntraced(function* ({ params }) {
        const event = yield* service.event(params.projectId, params.eventId)
        const { scopes } = yield* Caller
        if (AccessScope.ofData.some((scope) => AccessScope.includes(scopes, scope))) {
          yield* readings.record({
            action: "error-event.data-read",
            target: { type: "error-event", id: params.eventId }
          })
        }
        return shownTo(scopes, event)
      }, Storage.orUnavailable),
      resolveIssue: ({ params, payload }) =>
        service.resolve(params.issueId, payload).pipe(Effect.map(tagged), Storage.orUnavailable),
      reopenIssue: ({ params }) =>
        service.reopen(params.issueId).pipe(Effect.map(tagged), Storage.orUnavailable),
      muteIssue: ({ params, payload }) =>
        service.mute(params.issueId, payload).pipe(Effect.map(tagged), Storage.orUnavailable),
      assignIssue: ({ params, payload }) =>
        service.assign(params.issueId, payload.assignee).pipe(Effect.map(tagged), Storage.orUnavailable),
      mergeIssues: ({ params, payload }) =>
        service
          .merge(params.issueId, payload.issueIds, payload.reason)
          .pipe(Effect.map(tagged), Storage.orUnavailable),
      unmergeIssue: ({ params, payload }) =>
        service
          .unmerge(params.issueId, payload.issueId, payload.reason)
          .pipe(Effect.map(tagged), Storage.orUnavailable),
      removeIssue: ({ headers, params }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => service.remove(params.issueId, version)),
          Storage.orUnavailable
        )
    })
  })
)

const installationIssues = HttpApiBuilder.group(
  ObservabilityApi,
  "installationIssues",
  Effect.fn(function* (handlers) {
    const service = yield* InstallationIssues
    return handlers.handleAll({
      listIssues: ({ query }) => service.list(query).pipe(Storage.orUnavailable),
      getIssue: ({ params }) => service.get(params.issueId).pipe(Effect.map(tagged), Storage.orUnavailable),
      summary: ({ params }) => service.summary(params.issueId).pipe(Storage.orUnavailable),
      events: ({ params, query }) => service.events(params.issueId, query).pipe(Storage.orUnavailable),
      // The credential has no scope of data, so that persons in an event are never shown.
      event: Effect.fnUntraced(function* ({ params }) {
        const event = yield* service.event(params.eventId)
        const { scopes } = yield* Caller
        return shownTo(scopes, event)
      }, Storage.orUnavailable),
      resolveIssue: ({ params, payload }) =>
        service.resolve(params.issueId, payload).pipe(Effect.map(tagged), Storage.orUnavailable),
      reopenIssue: ({ params }) =>
        service.reopen(params.issueId).pipe(Effect.map(tagged), Storage.orUnavailable),
      muteIssue: ({ params, payload }) =>
        service.mute(params.issueId, payload).pipe(Effect.map(tagged), Storage.orUnavailable)
    })
  })
)

const monitors = HttpApiBuilder.group(
  ObservabilityApi,
  "monitors",
  Effect.fn(function* (handlers) {
    const service = yield* Monitors
    return handlers.handleAll({
      listMonitors: ({ params, query }) => service.list(params.projectId, query).pipe(Storage.orUnavailable),
      checkIns: ({ params, query }) =>
        service.checkIns(params.projectId, params, query).pipe(Storage.orUnavailable),
      removeMonitor: ({ params }) => service.remove(params.projectId, params).pipe(Storage.orUnavailable)
    })
  })
)

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(projects, releases, issues, installationIssues, monitors)
