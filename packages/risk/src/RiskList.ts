/**
 * Entries of the allow list and the block list, and snoozes of rules. Values of entities are hashed and cannot be read again.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import { Instant } from "@hypermarket/core/Instant"
import * as Text from "@hypermarket/core/Text"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import { Entities, EntityKind } from "./FraudSignal.ts"
import { RuleKey } from "./RiskRuleSet.ts"

/**
 * @category schemas
 * @since 0.1.0
 */
export const List = Schema.Literals(["allow", "block"])

/**
 * @category models
 * @since 0.1.0
 */
export type List = typeof List.Type

/**
 * @category schemas
 * @since 0.1.0
 */
export const ListEntryId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/risk/ListEntryId"))

/**
 * @category models
 * @since 0.1.0
 */
export type ListEntryId = typeof ListEntryId.Type

/**
 * The most entries and snoozes of a tenant, each.
 *
 * @category limits
 * @since 0.1.0
 */
export const entriesMax = 100_000

const reasonMaxCharacters = 500

/**
 * Exactly one entity, as a signal has it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const OneEntity = Entities.check(
  Schema.makeFilter(
    (entities) => {
      const values = Object.values(entities).flat()
      return values.length === 1 ? undefined : "Expected exactly one entity"
    },
    { expected: "exactly one entity", toJsonSchema: () => ({ minProperties: 1, maxProperties: 1 }) }
  )
)

/**
 * @category schemas
 * @since 0.1.0
 */
export const NewListEntry = Schema.Struct({
  list: List,
  entity: OneEntity,
  reason: Text.make({ max: reasonMaxCharacters }),
  /** Without it the entry stays until it is removed. */
  expiresAt: Schema.optionalKey(Instant)
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewListEntry = typeof NewListEntry.Type

/**
 * @category models
 * @since 0.1.0
 */
export class RiskListEntry extends Schema.Class<RiskListEntry>("@hypermarket/risk/RiskListEntry")({
  entryId: ListEntryId,
  list: List,
  entityKind: EntityKind,
  reason: Schema.String,
  expiresAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  recordedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * A rule that does not fire for an entity until a time.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NewSnooze = Schema.Struct({
  rule: RuleKey,
  entity: OneEntity,
  until: Instant,
  reason: Text.make({ max: reasonMaxCharacters })
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewSnooze = typeof NewSnooze.Type

/**
 * @category models
 * @since 0.1.0
 */
export class RiskSnooze extends Schema.Class<RiskSnooze>("@hypermarket/risk/RiskSnooze")({
  snoozeId: ListEntryId,
  rule: RuleKey,
  entityKind: EntityKind,
  until: Schema.DateTimeUtcFromString,
  reason: Schema.String,
  recordedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class ListEntryNotFound extends HttpApiError.Problem<ListEntryNotFound>()(
  "ListEntryNotFound",
  { type: "urn:hypermarket:problem:risk:list-entry-not-found", status: 404, title: "Not found" },
  { entryId: Schema.String }
) {}

/**
 * The tenant has as many entries as it may have. Remove some, or let them expire.
 *
 * @category errors
 * @since 0.1.0
 */
export class ListLimit extends HttpApiError.Problem<ListLimit>()(
  "ListLimit",
  { type: "urn:hypermarket:problem:risk:list-limit", status: 409, title: "List is full" },
  { entriesMax: Schema.Int }
) {}
