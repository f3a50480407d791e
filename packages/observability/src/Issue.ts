/**
 * An issue, a group of events with one cause: schemas and errors. The service is `Issues`.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Identifier from "@hypermarket/core/Identifier"
import { Instant } from "@hypermarket/core/Instant"
import * as Page from "@hypermarket/core/Page"
import * as Text from "@hypermarket/core/Text"
import * as Withheld from "@hypermarket/core/Withheld"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import { ProjectId, ReleaseName } from "./ErrorProject.ts"

/**
 * @category schemas
 * @since 0.1.0
 */
export const IssueId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/observability/IssueId"))

/**
 * @category models
 * @since 0.1.0
 */
export type IssueId = typeof IssueId.Type

/**
 * @category schemas
 * @since 0.1.0
 */
export const Status = Schema.Literals(["unresolved", "resolved", "muted"])

const Level = Schema.Literals(["debug", "info", "warning", "error", "fatal"])

/**
 * @category schemas
 * @since 0.1.0
 */
export const Sort = Schema.Literals(["last seen", "events", "users"])

/**
 * A resolution. `release` is the release that was compared with, and stays when that release is removed.
 *
 * @category models
 * @since 0.1.0
 */
export const Resolution = Schema.Struct({
  in: Schema.Literals(["now", "release", "next release"]),
  release: Schema.NullOr(Schema.String),
  at: Schema.DateTimeUtcFromString
})

/**
 * A mute. All of its ends are null or false when it is muted until someone reopens it.
 *
 * @category models
 * @since 0.1.0
 */
export const Mute = Schema.Struct({
  until: Schema.NullOr(Schema.DateTimeUtcFromString),
  eventsLeft: Schema.NullOr(Schema.Int),
  window: Schema.NullOr(Schema.Struct({ events: Schema.Int, minutes: Schema.Int })),
  escalating: Schema.Boolean
})

/**
 * @category models
 * @since 0.1.0
 */
export class Issue extends Schema.Class<Issue>("@hypermarket/observability/Issue")({
  issueId: IssueId,
  projectId: ProjectId,
  kind: Schema.Literals(["exception", "message"]),
  title: Schema.String,
  /** The function and file that failed. */
  culprit: Schema.NullOr(Schema.String),
  level: Level,
  status: Status,
  /** The issue that shows the events of this one. */
  mergedInto: Schema.NullOr(IssueId),
  assignee: Schema.NullOr(Schema.String),
  /** Merged issues included. Events that were deleted by age are counted. */
  eventCount: Schema.Int,
  /** Events that are counted and no longer kept, because their hour had many like them. */
  sampledCount: Schema.Int,
  userCount: Schema.Int,
  firstSeen: Schema.DateTimeUtcFromString,
  lastSeen: Schema.DateTimeUtcFromString,
  firstRelease: Schema.NullOr(Schema.String),
  lastRelease: Schema.NullOr(Schema.String),
  resolution: Schema.NullOr(Resolution),
  mute: Schema.NullOr(Mute),
  regressedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  /** Raised by changes of the state, not by events. */
  version: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * An event without its data.
 *
 * @category models
 * @since 0.1.0
 */
export class IssueEvent extends Schema.Class<IssueEvent>("@hypermarket/observability/IssueEvent")({
  eventId: Identifier.Uuid,
  issueId: IssueId,
  projectId: ProjectId,
  level: Level,
  title: Schema.String,
  release: Schema.NullOr(Schema.String),
  environment: Schema.NullOr(Schema.String),
  traceId: Schema.NullOr(Schema.String),
  occurredAt: Schema.DateTimeUtcFromString,
  receivedAt: Schema.DateTimeUtcFromString,
  /** True when the client's clock was wrong by more than a day. */
  isSkewed: Schema.Boolean
}) {}

/**
 * An event with its data, as the SDK sent it and without secrets.
 *
 * @category models
 * @since 0.1.0
 */
export class IssueEventData extends Schema.Class<IssueEventData>("@hypermarket/observability/IssueEventData")(
  {
    ...IssueEvent.fields,
    /** Debug ids of scripts with frames that no uploaded source map has translated. */
    untranslatedDebugIds: Schema.Array(Schema.String),
    data: Schema.Json,
    ...Withheld.field
  }
) {}

/**
 * @category models
 * @since 0.1.0
 */
export class IssueSummary extends Schema.Class<IssueSummary>("@hypermarket/observability/IssueSummary")({
  /** Events per hour of the last 14 days. Hours without events are left out. */
  hours: Schema.Array(Schema.Struct({ hour: Schema.DateTimeUtcFromString, events: Schema.Int })),
  /** The most frequent values of each tag. */
  tags: Schema.Array(Schema.Struct({ name: Schema.String, value: Schema.String, events: Schema.Int })),
  merges: Schema.Array(
    Schema.Struct({
      issueId: IssueId,
      reason: Schema.String,
      at: Schema.DateTimeUtcFromString,
      undoneAt: Schema.NullOr(Schema.DateTimeUtcFromString),
      undoneReason: Schema.NullOr(Schema.String)
    })
  )
}) {}

const Search = Text.make({ max: 200 })

/**
 * The issues that are wanted. `query` is a part of the title or culprit, in any case.
 *
 * @category models
 * @since 0.1.0
 */
export const IssueFilter = Schema.Struct({
  ...Page.Request.fields,
  status: Schema.optionalKey(Status),
  projectId: Schema.optionalKey(ProjectId),
  query: Schema.optionalKey(Search),
  release: Schema.optionalKey(ReleaseName),
  /** @default last seen */
  sort: Schema.optionalKey(Sort)
})

/**
 * @category models
 * @since 0.1.0
 */
export type IssueFilter = typeof IssueFilter.Type

/**
 * The issues of the installation that are wanted. It has one project.
 *
 * @category models
 * @since 0.1.0
 */
export const InstallationIssueFilter = Schema.Struct({
  ...Page.Request.fields,
  status: Schema.optionalKey(Status),
  query: Schema.optionalKey(Search),
  release: Schema.optionalKey(ReleaseName),
  /** @default last seen */
  sort: Schema.optionalKey(Sort)
})

/**
 * @category models
 * @since 0.1.0
 */
export type InstallationIssueFilter = typeof InstallationIssueFilter.Type

/**
 * How an issue is resolved: `now`, in the named `release`, or in the release that follows the newest one.
 *
 * @category models
 * @since 0.1.0
 */
export const Resolve = Schema.Struct({
  in: Schema.Literals(["now", "release", "next release"]),
  release: Schema.optionalKey(ReleaseName)
}).check(
  Schema.makeFilter(({ in: where, release }) =>
    (where === "release") === (release !== undefined)
      ? undefined
      : {
          path: ["release"],
          issue:
            where === "release"
              ? "Expected the release in which it is resolved"
              : 'Expected no release unless `in` is "release"'
        }
  )
)

/**
 * @category models
 * @since 0.1.0
 */
export type Resolve = typeof Resolve.Type

/** The times of the events in a window are kept in the row of the issue. */
const windowEventsMax = 1_000
const weekMinutes = 10_080
const muteEventsMax = 1_000_000

/**
 * The ends of a mute: at a time, after more events, when a sliding window has as many events, or when the issue escalates. The
 * first that is reached ends it. Without any it lasts until the issue is reopened. An issue escalates when the current hour has
 * more than 10 events and three times the highest hour of the week before.
 *
 * @category models
 * @since 0.1.0
 */
export const NewMute = Schema.Struct({
  until: Schema.optionalKey(Instant),
  events: Schema.optionalKey(BoundedInt.make({ minimum: 1, maximum: muteEventsMax })),
  window: Schema.optionalKey(
    Schema.Struct({
      events: BoundedInt.make({ minimum: 1, maximum: windowEventsMax }),
      minutes: BoundedInt.make({ minimum: 1, maximum: weekMinutes })
    })
  ),
  escalating: Schema.optionalKey(Schema.Boolean)
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewMute = typeof NewMute.Type

/**
 * @category models
 * @since 0.1.0
 */
export const Assign = Schema.Struct({ assignee: Schema.NullOr(Text.make({ max: 200 })) })

/**
 * @category schemas
 * @since 0.1.0
 */
export const Reason = Text.make({ max: 500 })

/**
 * The issues whose events are shown by another from now on, and why.
 *
 * @category models
 * @since 0.1.0
 */
export const Merge = Schema.Struct({
  issueIds: Schema.Array(IssueId).check(Schema.isMinLength(1), Schema.isMaxLength(100)),
  reason: Reason
})

/**
 * @category models
 * @since 0.1.0
 */
export const Unmerge = Schema.Struct({ issueId: IssueId, reason: Reason })

/**
 * @category errors
 * @since 0.1.0
 */
export class IssueNotFound extends HttpApiError.Problem<IssueNotFound>()(
  "IssueNotFound",
  { type: "urn:hypermarket:problem:observability:issue-not-found", status: 404, title: "No such issue" },
  { issueId: Schema.String }
) {}

/**
 * The issue is merged into another, which has its state.
 *
 * @category errors
 * @since 0.1.0
 */
export class IssueMerged extends HttpApiError.Problem<IssueMerged>()(
  "IssueMerged",
  {
    type: "urn:hypermarket:problem:observability:issue-merged",
    status: 409,
    title: "The issue is merged into another"
  },
  { issueId: Schema.String, mergedInto: Schema.String }
) {}

/**
 * The issues are of different projects, or an issue is to be merged into itself.
 *
 * @category errors
 * @since 0.1.0
 */
export class MergeInvalid extends HttpApiError.Problem<MergeInvalid>()(
  "MergeInvalid",
  {
    type: "urn:hypermarket:problem:observability:merge-invalid",
    status: 422,
    title: "The issues cannot be merged"
  },
  { issueId: Schema.String, reason: Schema.Literals(["same-issue", "other-project", "not-merged"]) }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class EventNotFound extends HttpApiError.Problem<EventNotFound>()(
  "EventNotFound",
  { type: "urn:hypermarket:problem:observability:event-not-found", status: 404, title: "No such event" },
  { eventId: Schema.String }
) {}
