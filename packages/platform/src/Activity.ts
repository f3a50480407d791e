/**
 * The activity log: who did what to which target, with the target before and after, sealed by checkpoints that show when a row
 * was changed, removed, moved or added.
 *
 * @since 0.1.0
 */
import { ActorType, Schema as ActorSchema } from "@hypermarket/core/Actor"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Page from "@hypermarket/core/Page"
import * as Text from "@hypermarket/core/Text"
import * as Schema from "effect/Schema"

/**
 * @category schemas
 * @since 0.1.0
 */
export const ActivityId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/platform/ActivityId"))

/**
 * @category models
 * @since 0.1.0
 */
export type ActivityId = typeof ActivityId.Type

/**
 * `<noun>.<past participle>`, such as `flag.created`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ActivityAction = Schema.String.check(
  Schema.isMaxLength(100),
  Schema.isPattern(/^[a-z]+(?:-[a-z]+)*\.[a-z]+(?:-[a-z]+)*$/, {
    message: "Expected <noun>.<verb> in lower case, such as flag.created"
  })
)

const TargetType = Text.make({ max: 100 })

/** Entries of erasures and retention excuse what is missing: only this package records them. */
const ownNoun = "activity."

/**
 * A change of the adopter's data, recorded in the transaction of the change.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NewActivity = Schema.Struct({
  /** Who acts; the actor of the call without it. */
  actor: Schema.optionalKey(ActorSchema),
  action: ActivityAction.check(
    Schema.makeFilter((action: string) =>
      action.startsWith(ownNoun)
        ? "Expected an action of yours: activity.* are those of the log itself"
        : undefined
    )
  ),
  target: Schema.Struct({ type: TargetType, id: Text.make({ max: 200 }) }),
  /** The target before and after. The members that are equal in both are left out. No secret belongs here. */
  before: Schema.optionalKey(Schema.Json),
  after: Schema.optionalKey(Schema.Json)
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewActivity = typeof NewActivity.Type

/**
 * The actor of an entry but its type.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ActivityActor = Schema.Struct({
  id: Schema.String,
  onBehalfOf: Schema.optionalKey(Schema.String),
  address: Schema.optionalKey(Schema.String),
  requestId: Schema.optionalKey(Schema.String),
  traceId: Schema.optionalKey(Schema.String)
})

/**
 * One entry of the log. `actor` and `targetId` are null once the person was erased.
 *
 * @category models
 * @since 0.1.0
 */
export class Activity extends Schema.Class<Activity>("@hypermarket/platform/Activity")({
  activityId: ActivityId,
  recordedAt: Schema.DateTimeUtcFromString,
  action: Schema.String,
  actorType: ActorType,
  actor: Schema.NullOr(ActivityActor),
  targetType: Schema.String,
  targetId: Schema.NullOr(Schema.String),
  before: Schema.optionalKey(Schema.Json),
  after: Schema.optionalKey(Schema.Json)
}) {}

/**
 * Which entries a list returns.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ActivityFilter = {
  action: Schema.optionalKey(ActivityAction),
  actorId: Schema.optionalKey(Text.make({ max: 200 })),
  targetType: Schema.optionalKey(TargetType),
  targetId: Schema.optionalKey(Text.make({ max: 200 }))
}

/**
 * @category schemas
 * @since 0.1.0
 */
export const ActivityRequest = Schema.Struct({ ...Page.Request.fields, ...ActivityFilter })

/**
 * @category models
 * @since 0.1.0
 */
export interface ActivityRequest extends Page.Request {
  readonly action?: string
  readonly actorId?: string
  readonly targetType?: string
  readonly targetId?: string
}

/**
 * A public key that signs checkpoints.
 *
 * @category models
 * @since 0.1.0
 */
export class ActivityKey extends Schema.Class<ActivityKey>("@hypermarket/platform/ActivityKey")({
  keyId: Schema.String,
  /** The 32 bytes of the Ed25519 public key, in base64. */
  publicKey: Schema.String,
  /** The first checkpoint that it signed. */
  since: Schema.DateTimeUtcFromString
}) {}

/**
 * The number of a checkpoint: from 1 without gaps, 0 before the first.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CheckpointNumber = Schema.Int.check(
  Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
)

/**
 * The newest checkpoint. Kept elsewhere, it proves later that nothing was dropped.
 *
 * @category models
 * @since 0.1.0
 */
export class ActivityHead extends Schema.Class<ActivityHead>("@hypermarket/platform/ActivityHead")({
  tenantId: Schema.String,
  number: CheckpointNumber,
  /** SHA-256 of `checkpoint`, in hexadecimal. */
  hash: Schema.String,
  /** The text that was hashed and signed. */
  checkpoint: Schema.String,
  /** Of Ed25519 over `checkpoint`, in base64; null while no key is configured. */
  signature: Schema.NullOr(Schema.String)
}) {}

/**
 * The part of a head that a verification compares with.
 *
 * @category schemas
 * @since 0.1.0
 */
export const KeptHead = Schema.Struct({
  tenantId: Schema.String,
  number: CheckpointNumber,
  hash: Schema.String
})

/**
 * @category schemas
 * @since 0.1.0
 */
export const ActivityVerify = Schema.Struct({
  /** A head that was kept elsewhere. */
  head: Schema.optionalKey(KeptHead),
  /** Public keys that were kept elsewhere, in base64 by id. Those of the process and of the database without them. */
  keys: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
})

/**
 * @category models
 * @since 0.1.0
 */
export type ActivityVerify = typeof ActivityVerify.Type

/**
 * A row or checkpoint that is not as it was sealed.
 *
 * @category models
 * @since 0.1.0
 */
export class ActivityProblem extends Schema.Class<ActivityProblem>("@hypermarket/platform/ActivityProblem")({
  kind: Schema.Literals(["row", "checkpoint"]),
  /** The id of the row, or the number of the checkpoint. */
  id: Schema.String,
  /** The checkpoint that the row belongs to; null for a row under none. */
  checkpoint: Schema.NullOr(CheckpointNumber),
  reason: Schema.String
}) {}

/**
 * The outcome of a verification. The log is intact when it has no problem.
 *
 * @category models
 * @since 0.1.0
 */
export class ActivityReport extends Schema.Class<ActivityReport>("@hypermarket/platform/ActivityReport")({
  tenantId: Schema.String,
  checkpoints: Schema.Int,
  /** Rows under a checkpoint that are as they were sealed. */
  rows: Schema.Int,
  /** Rows that no checkpoint covers yet. */
  unsealed: Schema.Int,
  /** Rows from which a person was erased. */
  erased: Schema.Int,
  /** Rows that retention has dropped: an entry of the log names their checkpoints. */
  dropped: Schema.Int,
  unsigned: Schema.Int,
  /** Rows that were sealed later than by the first checkpoint after their time, the first 100. */
  late: Schema.Array(
    Schema.Struct({ activityId: Schema.String, recordedAt: Schema.String, checkpoint: Schema.Int })
  ),
  /** In the order of the checkpoints, the first 100. */
  problems: Schema.Array(ActivityProblem),
  head: Schema.NullOr(KeptHead)
}) {}

/**
 * A part of the log as lines of JSON, in the format that the README describes.
 *
 * @category models
 * @since 0.1.0
 */
export interface ActivityExport {
  readonly lines: ReadonlyArray<string>
  /** The number to continue after; null when it is complete. */
  readonly next: number | null
}

/**
 * Formats of an export. `ndjson` has checkpoints and proofs, `csv` is RFC 4180, `ocsf` has one event of the Open Cybersecurity
 * Schema Framework per line.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ActivityFormat = Schema.Literals(["ndjson", "csv", "ocsf"])

/**
 * @category models
 * @since 0.1.0
 */
export type ActivityFormat = typeof ActivityFormat.Type
