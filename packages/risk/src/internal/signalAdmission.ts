/** Checks signals at the door, and prepares them to be stored. */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import {
  Attributes,
  entitiesMax,
  lateDaysMax,
  SignalInvalid,
  type NewSignal,
  type SignalKind
} from "../FraudSignal.ts"
import { canonicalJson } from "./canonical.ts"
import * as Entity from "./entity.ts"
import * as Attribute from "./attribute.ts"
import type { Prepared, Stored } from "./signalStatements.ts"
import { windowKeepDays } from "./upkeep.ts"

const dayMillis = 86_400_000
const minuteMillis = 60_000

/** Clocks of shops differ by less. A signal further ahead would be missing from windows until then. */
const aheadMinutesMax = 5

/** The source of a signal that names none. */
export const sourceDefault = "api"

const invalid = (path: ReadonlyArray<string>, message: string) =>
  new SignalInvalid({ errors: [{ path, message }] })

/** Refuses another decision about a subject whose signal is no longer kept. */
export const pastRetention = invalid(
  ["subject"],
  `Expected a subject that happened at most ${windowKeepDays} days ago`
)

/** Returns the earliest time of a signal that may still be made. */
export const oldestOf = (now: Date): number => now.getTime() - lateDaysMax * dayMillis

/** Returns the name under which a call is remembered, and the hash by which the same body is recognised. */
export const callOf = (signal: NewSignal) => ({
  source: signal.source ?? sourceDefault,
  key: signal.key ?? `${signal.kind}/${signal.subject}`,
  bodyHash: bodyHashOf(signal)
})

const bodyHashOf = (signal: NewSignal): Uint8Array => {
  const amount =
    signal.amount === undefined ? null : { ...signal.amount, amount: String(signal.amount.amount) }
  const occurredAt = signal.occurredAt === undefined ? null : DateTime.formatIso(signal.occurredAt)
  return createHash("sha256")
    .update(canonicalJson({ ...signal, amount, occurredAt }), "utf8")
    .digest()
}

/** Refuses attributes whose value is not of the declared type. */
export const admitAttributes = Effect.fnUntraced(function* (
  kind: SignalKind,
  attributes: NonNullable<NewSignal["attributes"]>,
  declared: ReadonlyArray<Attribute.Attribute>
) {
  for (const { kind: declaredKind, name, type } of declared) {
    if (declaredKind !== kind || !Object.hasOwn(attributes, name)) continue
    if (Attribute.attributeValue(attributes[name], type) === undefined) {
      return yield* invalid(["attributes", name], `Expected a value of type ${type}`)
    }
  }
})

const isAttributes = Schema.is(Attributes)

/** Refuses attributes that exceed the bounds of one signal together with those that it has. */
export const admitStored = Effect.fnUntraced(function* (stored: ReadonlyArray<Stored>) {
  if (!stored.every(({ attributes }) => isAttributes(attributes))) {
    return yield* invalid(
      ["attributes"],
      "Expected attributes that are within their bounds together with those of the signal"
    )
  }
})

/** Checks what only the present time and the declared attributes can decide. Returns the entities in their normal form. */
export const admit = Effect.fnUntraced(function* (
  signal: NewSignal,
  attributes: ReadonlyArray<Attribute.Attribute>
) {
  const now = yield* Now.now
  const at = signal.occurredAt?.epochMilliseconds
  if (at !== undefined && at < oldestOf(now)) {
    return yield* invalid(["occurredAt"], `Expected an instant at most ${lateDaysMax} days ago`)
  }
  if (at !== undefined && at > now.getTime() + aheadMinutesMax * minuteMillis) {
    return yield* invalid(["occurredAt"], `Expected an instant at most ${aheadMinutesMax} minutes ahead`)
  }
  yield* admitAttributes(signal.kind, signal.attributes ?? {}, attributes)
  const entities = Entity.normalise(signal.entities)
  if (entities.length > entitiesMax) {
    return yield* invalid(["entities"], `Expected at most ${entitiesMax} entities`)
  }
  return entities
})

/** Returns a signal as it is stored, with a new id and hashed entities. */
export const prepare = Effect.fnUntraced(function* (
  signal: NewSignal,
  entities: ReadonlyArray<Entity.Entity>,
  hash: Entity.Hasher,
  now: Date
) {
  return {
    signalId: yield* Identifier.next,
    kind: signal.kind,
    subject: signal.subject,
    version: undefined,
    occurredAt: signal.occurredAt === undefined ? now : DateTime.toDateUtc(signal.occurredAt),
    result: signal.result,
    amount: signal.amount?.amount,
    currency: signal.amount?.currency,
    entities: entities.map(hash),
    attributes: signal.attributes ?? {},
    source: signal.source ?? sourceDefault,
    mayMake: true
  } satisfies Prepared
})
