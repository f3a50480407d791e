/**
 * The service of the installation's own issues: those of `_system`, to which the API and the worker report.
 *
 * @since 0.1.0
 */
import * as Audit from "@hypermarket/core/Audit"
import type * as Page from "@hypermarket/core/Page"
import { AllTenants, system, type Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { SqlError } from "effect/sql/SqlError"
import { systemProjectId } from "./internal/systemProject.ts"
import type {
  EventNotFound,
  InstallationIssueFilter,
  Issue,
  IssueEvent,
  IssueEventData,
  IssueId,
  IssueNotFound,
  IssueSummary,
  NewMute,
  Resolve
} from "./Issue.ts"
import { type ChangeError, Issues } from "./Issues.ts"

/**
 * Reads the issues of the installation and changes their state. It reaches no row of a tenant. Changes are in the log of the
 * installation.
 *
 * @category services
 * @since 0.1.0
 */
export class InstallationIssues extends Context.Service<
  InstallationIssues,
  {
    /** Lists issues that are not merged into another. */
    readonly list: (
      filter: InstallationIssueFilter
    ) => Effect.Effect<Page.Page<Issue>, Page.CursorInvalid | SqlError, AllTenants>
    readonly get: (issueId: IssueId) => Effect.Effect<Issue, IssueNotFound | SqlError, AllTenants>
    /** Returns events per hour, values of tags, and merges. */
    readonly summary: (issueId: IssueId) => Effect.Effect<IssueSummary, IssueNotFound | SqlError, AllTenants>
    /** Lists the events of an issue, the newest first. */
    readonly events: (
      issueId: IssueId,
      request: Page.Request
    ) => Effect.Effect<Page.Page<IssueEvent>, IssueNotFound | Page.CursorInvalid | SqlError, AllTenants>
    readonly event: (eventId: string) => Effect.Effect<IssueEventData, EventNotFound | SqlError, AllTenants>
    /** Resolves an issue. Events of releases that do not have the fix do not reopen it. */
    readonly resolve: (issueId: IssueId, resolve: Resolve) => Effect.Effect<Issue, ChangeError, AllTenants>
    readonly reopen: (issueId: IssueId) => Effect.Effect<Issue, ChangeError, AllTenants>
    readonly mute: (issueId: IssueId, mute: NewMute) => Effect.Effect<Issue, ChangeError, AllTenants>
  }
>()("@hypermarket/observability/InstallationIssues") {
  static readonly layer: Layer.Layer<InstallationIssues, never, Issues> = Layer.effect(
    InstallationIssues,
    Effect.gen(function* () {
      const issues = yield* Issues

      /** Runs for `_system` what a caller over all tenants asked for. */
      const ofSystem = <A, E>(self: Effect.Effect<A, E, Tenant>): Effect.Effect<A, E, AllTenants> =>
        Effect.andThen(AllTenants, Audit.inLogOf(system)(self))

      return InstallationIssues.of({
        list: Effect.fn("InstallationIssues.list")((filter: InstallationIssueFilter) =>
          ofSystem(issues.list(filter))
        ),
        get: Effect.fn("InstallationIssues.get")((issueId: IssueId) => ofSystem(issues.get(issueId))),
        summary: Effect.fn("InstallationIssues.summary")((issueId: IssueId) =>
          ofSystem(issues.summary(issueId))
        ),
        events: Effect.fn("InstallationIssues.events")((issueId: IssueId, request: Page.Request) =>
          ofSystem(issues.events(issueId, request))
        ),
        event: Effect.fn("InstallationIssues.event")((eventId: string) =>
          ofSystem(issues.event(systemProjectId, eventId))
        ),
        resolve: Effect.fn("InstallationIssues.resolve")((issueId: IssueId, resolve: Resolve) =>
          ofSystem(issues.resolve(issueId, resolve))
        ),
        reopen: Effect.fn("InstallationIssues.reopen")((issueId: IssueId) =>
          ofSystem(issues.reopen(issueId))
        ),
        mute: Effect.fn("InstallationIssues.mute")((issueId: IssueId, mute: NewMute) =>
          ofSystem(issues.mute(issueId, mute))
        )
      })
    })
  )
}
