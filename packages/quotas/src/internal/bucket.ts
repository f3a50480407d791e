/** A bucket of a policy as checks see it: its key, its numbers, and the time until a request fits. */
import { system, TenantId } from "@hypermarket/core/Tenant"
import * as Result from "effect/Result"
import type { RateKind, RatePart, RateSubject } from "../RatePolicy.ts"
import { RateSubjectInvalid } from "../RateLimit.ts"

/** The limit of one bucket: a policy with its override applied. */
export interface Bound {
  /** The tenant, or `_system` for a policy of the installation. */
  readonly owner: string
  readonly policy: string
  readonly bucket: string
  /** Of the bucket, over all owners and policies. */
  readonly key: string
  readonly kind: typeof RateKind.Type
  readonly quota: number
  readonly burst: number
  readonly periodMicros: number
  /** By the database's clock: until then the bucket drained at its former rate. */
  readonly changedMicros: number
  readonly shadow: boolean
  readonly whenUnavailable: "open" | "closed"
}

/** A btree entry holds 2,704 bytes; owner and policy take 130 of them. */
const bucketLengthMax = 1_000

const microsPerMilli = 1_000

export const millisOf = (micros: number): number => Math.ceil(micros / microsPerMilli)

export const costMaxOf = (bound: Pick<Bound, "kind" | "quota" | "burst">): number =>
  bound.kind === "gcra" ? bound.burst : bound.quota

const bounded = (policy: string, part: string, bucket: string): Result.Result<string, RateSubjectInvalid> =>
  bucket.length > bucketLengthMax
    ? Result.fail(new RateSubjectInvalid({ policy, part, reason: "too_long" }))
    : Result.succeed(bucket)

/** Joins the parts that a policy counts by. The encoding keeps two subjects from having one key. */
export const bucketOf = (
  policy: { readonly policy: string; readonly by: ReadonlyArray<typeof RatePart.Type> },
  subject: RateSubject
): Result.Result<string, RateSubjectInvalid> => {
  const values: Array<string> = []
  for (const part of policy.by) {
    const value = subject[part]
    if (value === undefined) {
      return Result.fail(new RateSubjectInvalid({ policy: policy.policy, part, reason: "missing" }))
    }
    values.push(encodeURIComponent(value.toWellFormed()))
  }
  return bounded(policy.policy, policy.by.join(","), values.join("/"))
}

/** The bucket of a limiter's key: the one that a policy of a single part has. */
export const bucketOfKey = (policy: string, key: string): Result.Result<string, RateSubjectInvalid> =>
  bounded(policy, "key", key.length > bucketLengthMax ? key : encodeURIComponent(key.toWellFormed()))

/** Under its own policies a tenant is itself, whatever the subject names. */
export const subjectOf = (owner: string, subject: RateSubject): RateSubject =>
  owner === system ? subject : { ...subject, tenant: TenantId.make(owner) }

export const keyOf = (owner: string, policy: string, bucket: string): string =>
  `${owner}\n${policy}\n${bucket}`

/** True when both have the same numbers: what was decided by one holds for the other. */
export const isSameRate = (one: Bound, other: Bound): boolean =>
  one.quota === other.quota &&
  one.burst === other.burst &&
  one.periodMicros === other.periodMicros &&
  one.changedMicros === other.changedMicros

/** A bucket as the database has it at one instant. */
export interface Measured {
  readonly nowMicros: number
  /** Of `gcra`: tokens times the period in microseconds. */
  readonly debt: bigint
  /** Debt that was given back since the row was made. */
  readonly returned: bigint
  /** The instants of the entries that count, oldest first, and their costs; of leases, when each ends and 1. */
  readonly entries: ReadonlyArray<readonly [micros: number, cost: number]>
}

/** A bucket from which nothing was taken. */
export const untouched: Measured = { nowMicros: 0, debt: 0n, returned: 0n, entries: [] }

const ceilDiv = (dividend: bigint, divisor: bigint): bigint => (dividend + divisor - 1n) / divisor

const capacityOf = (bound: Bound): bigint => BigInt(bound.burst) * BigInt(bound.periodMicros)

/** Whole requests of cost 1 that fit. */
export const roomOf = (bound: Bound, measured: Measured): number => {
  if (bound.kind === "gcra") {
    const room = capacityOf(bound) - measured.debt
    return room <= 0n ? 0 : Number(room / BigInt(bound.periodMicros))
  }
  const used = measured.entries.reduce((sum, [, cost]) => sum + cost, 0)
  return Math.max(0, bound.quota - used)
}

/** How long an entry counts after its instant. A lease's instant is its end. */
const spanOf = (bound: Bound): number => (bound.kind === "window" ? bound.periodMicros : 0)

/** Microseconds until a request fits if nothing else is asked for; 0 when it fits now. */
export const waitMicros = (bound: Bound, measured: Measured, cost: number): number => {
  if (bound.kind === "gcra") {
    const missing = measured.debt + BigInt(cost) * BigInt(bound.periodMicros) - capacityOf(bound)
    return missing <= 0n ? 0 : Number(ceilDiv(missing, BigInt(bound.quota)))
  }
  let missing = (bound.kind === "window" ? cost : 1) - roomOf(bound, measured)
  for (const [micros, entryCost] of measured.entries) {
    if (missing <= 0) return 0
    missing -= entryCost
    if (missing <= 0) return Math.max(0, micros + spanOf(bound) - measured.nowMicros)
  }
  // A lowered quota: more is used than the bucket holds, and the last entry ends it.
  return missing <= 0 ? 0 : bound.periodMicros
}

/** Microseconds until nothing is used. */
export const fullMicros = (bound: Bound, measured: Measured): number => {
  if (bound.kind === "gcra") return Number(ceilDiv(measured.debt, BigInt(bound.quota)))
  const last = measured.entries.at(-1)
  return last === undefined ? 0 : Math.max(0, last[0] + spanOf(bound) - measured.nowMicros)
}
