/**
 * A project, to which an application reports its errors: schemas and errors. The service is `ErrorProjects`.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Text from "@hypermarket/core/Text"
import { GroupingRules } from "./GroupingRule.ts"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * The digits at the end of a DSN. Counted per tenant, from 1.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ProjectId = BoundedInt.make({ minimum: 1, maximum: BoundedInt.int4Max })

/**
 * {@link ProjectId} in a path or query.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ProjectIdFromText = BoundedInt.fromText({ minimum: 1, maximum: BoundedInt.int4Max })

const Name = Text.make({ max: 200 })

/**
 * @category schemas
 * @since 0.1.0
 */
export const Slug = Schema.String.check(
  Schema.isPattern(/^[a-z0-9][a-z0-9-]{0,62}$/, {
    message: "Expected 1 to 63 of a-z, 0-9 and -, beginning with a letter or digit"
  })
)

const Status = Schema.Literals(["active", "closed"])

/**
 * @category models
 * @since 0.1.0
 */
export class ErrorProject extends Schema.Class<ErrorProject>("@hypermarket/observability/ErrorProject")({
  projectId: ProjectId,
  slug: Slug,
  name: Name,
  /** A closed project refuses events. */
  status: Status,
  /** IP addresses of users are removed from events unless this is true. */
  keepsAddresses: Schema.Boolean,
  /** The first rule that matches an event decides to which issue it belongs. Events before the rule stay where they are. */
  groupingRules: GroupingRules,
  version: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * @category models
 * @since 0.1.0
 */
export const NewErrorProject = Schema.Struct({
  slug: Slug,
  name: Schema.optionalKey(Name),
  keepsAddresses: Schema.optionalKey(Schema.Boolean)
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewErrorProject = typeof NewErrorProject.Type

/**
 * @category models
 * @since 0.1.0
 */
export const ErrorProjectChange = Schema.Struct({
  name: Schema.optionalKey(Name),
  status: Schema.optionalKey(Status),
  keepsAddresses: Schema.optionalKey(Schema.Boolean),
  /** Replaces all rules of the project. */
  groupingRules: Schema.optionalKey(GroupingRules)
})

/**
 * @category models
 * @since 0.1.0
 */
export type ErrorProjectChange = typeof ErrorProjectChange.Type

/**
 * Items of one day, by what became of them. `stored`: readable. `counted`: counted by category and not kept. `dropped`: refused
 * here, with a reason. `client`: discarded by the SDK, as it reports. `sampled`: stored first and no longer kept, because their
 * hour had many like them. `removed`: of issues that were deleted.
 *
 * @category models
 * @since 0.1.0
 */
export class ItemCount extends Schema.Class<ItemCount>("@hypermarket/observability/ItemCount")({
  /** Its first instant, in UTC. */
  day: Schema.DateTimeUtcFromString,
  category: Schema.String,
  outcome: Schema.Literals(["stored", "counted", "dropped", "client", "sampled", "removed"]),
  reason: Schema.String,
  quantity: Schema.Int
}) {}

/**
 * A name under which events were reported.
 *
 * @category models
 * @since 0.1.0
 */
export class ErrorRelease extends Schema.Class<ErrorRelease>("@hypermarket/observability/ErrorRelease")({
  release: Schema.String,
  eventCount: Schema.Int,
  firstSeen: Schema.DateTimeUtcFromString,
  lastSeen: Schema.DateTimeUtcFromString
}) {}

/**
 * @category schemas
 * @since 0.1.0
 */
export const ReleaseName = Text.make({ max: 200 })

/**
 * @category errors
 * @since 0.1.0
 */
export class ErrorProjectNotFound extends HttpApiError.Problem<ErrorProjectNotFound>()(
  "ErrorProjectNotFound",
  { type: "urn:hypermarket:problem:observability:project-not-found", status: 404, title: "No such project" },
  { projectId: Schema.Int }
) {}

/**
 * Another project of the tenant has the slug.
 *
 * @category errors
 * @since 0.1.0
 */
export class ErrorProjectExists extends HttpApiError.Problem<ErrorProjectExists>()(
  "ErrorProjectExists",
  {
    type: "urn:hypermarket:problem:observability:project-exists",
    status: 409,
    title: "A project has this slug"
  },
  { slug: Schema.String }
) {}

/**
 * The tenant has as many projects as it may have.
 *
 * @category errors
 * @since 0.1.0
 */
export class ErrorProjectLimit extends HttpApiError.Problem<ErrorProjectLimit>()(
  "ErrorProjectLimit",
  { type: "urn:hypermarket:problem:observability:project-limit", status: 409, title: "Too many projects" },
  { projectsMax: Schema.Int }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class ReleaseNotFound extends HttpApiError.Problem<ReleaseNotFound>()(
  "ReleaseNotFound",
  { type: "urn:hypermarket:problem:observability:release-not-found", status: 404, title: "No such release" },
  { release: Schema.String }
) {}
