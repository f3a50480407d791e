/**
 * Deterministic buckets of units, such as customers, and the choice of a variant by weights. A bucket depends on the
 * scheme, the salt and the unit only, so that every process and SDK finds the same one. Pure: works in a browser.
 *
 * @since 0.1.0
 */

/**
 * - `murmur3`: ours, 100,000 buckets: `floor(murmur3(unit, murmur3(salt, 0)) * 100,000 / 2^32) / 100,000` over UTF-8.
 *   Variants use the salt followed by `/variant`.
 * - `gb_v2`, `gb_v1`: GrowthBook's hashes, 10,000 and 1,000 buckets, FNV-1a over UTF-16 code units. The salt is its seed.
 *   `gb_v1` is biased and is for imports only.
 * - `unleash`: Unleash's normalised hash, over UTF-8; the salt is the strategy's group. See {@link UnleashOptions}.
 *
 * @category models
 * @since 0.1.0
 */
export type Scheme = "murmur3" | "gb_v1" | "gb_v2" | "unleash"

/**
 * @category models
 * @since 0.1.0
 */
export interface UnleashOptions {
  /** The number of buckets: 100 for a rollout, the sum of the weights for variants.
   *  @default 100 */
  readonly buckets?: number
  /** 0 for a rollout, {@link unleashVariantSeed} for variants.
   *  @default 0 */
  readonly seed?: number
}

/**
 * The number of buckets of `murmur3`: a rollout moves by 0.001 %.
 *
 * @category constants
 * @since 0.1.0
 */
export const buckets = 100_000

/**
 * Unleash's seed for variants, which makes them independent of the rollout.
 *
 * @category constants
 * @since 0.1.0
 */
export const unleashVariantSeed = 86_028_157

const two32 = 4_294_967_296
const encoder = new TextEncoder()
/** Reused by every hash: a longer text gets an array that is dropped after it. */
const scratch = new Uint8Array(1_024)

const rotateLeft = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits))

const mixBlock = (block: number): number =>
  Math.imul(rotateLeft(Math.imul(block, 0xcc9e2d51), 15), 0x1b873593)

/** Writes UTF-8, and returns its length. ASCII is its own UTF-8: without a call out of JavaScript, short text takes half the time. */
const writeUtf8 = (text: string, target: Uint8Array): number => {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit > 127) return encoder.encodeInto(text, target).written
    target[index] = unit
  }
  return text.length
}

/**
 * MurmurHash3_x86_32 of a text's UTF-8, between 0 and 2^32 - 1.
 *
 * Source: https://github.com/aappleby/smhasher, public domain.
 *
 * @category hashes
 * @since 0.1.0
 */
export const murmur3 = (text: string, seed: number): number => {
  // A UTF-16 code unit becomes at most three bytes.
  const target = text.length * 3 <= scratch.length ? scratch : new Uint8Array(text.length * 3)
  const length = writeUtf8(text, target)
  const end = length - (length % 4)
  let hash = seed | 0
  for (let index = 0; index < end; index += 4) {
    const block =
      (target[index] ?? 0) |
      ((target[index + 1] ?? 0) << 8) |
      ((target[index + 2] ?? 0) << 16) |
      ((target[index + 3] ?? 0) << 24)
    hash = (Math.imul(rotateLeft(hash ^ mixBlock(block), 13), 5) + 0xe6546b64) | 0
  }
  if (end < length) {
    let tail = 0
    for (let index = length - 1; index >= end; index--) tail = (tail << 8) | (target[index] ?? 0)
    hash ^= mixBlock(tail)
  }
  hash ^= length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** FNV-1a, 32 bits, over UTF-16 code units, as GrowthBook's SDKs hash. */
const fnv1a = (text: string): number => {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return hash >>> 0
}

/**
 * Returns the bucket of a unit in [0, 1). 42 and "42" are one unit: callers pass its text. An empty unit is no unit;
 * callers decide what a missing one means before they ask for a bucket.
 *
 * @category buckets
 * @since 0.1.0
 */
export const bucket = (scheme: Scheme, salt: string, unit: string, options?: UnleashOptions): number => {
  switch (scheme) {
    case "murmur3":
      return Math.floor((murmur3(unit, murmur3(salt, 0)) * buckets) / two32) / buckets
    case "gb_v1":
      return (fnv1a(unit + salt) % 1_000) / 1_000
    case "gb_v2":
      return (fnv1a(String(fnv1a(salt + unit))) % 10_000) / 10_000
    case "unleash": {
      const count = options?.buckets ?? 100
      return (murmur3(`${salt}:${unit}`, options?.seed ?? 0) % count) / count
    }
  }
}

const isWeight = (weight: number): boolean => Number.isFinite(weight) && weight >= 0

/**
 * Returns the index of the weight that a bucket falls on: each index owns a part of [0, 1) in proportion to its weight.
 * Weights may have any sum, and every bucket in [0, 1) falls on one that is not 0. Returns undefined when all are 0, when
 * one is negative or not finite, or when the bucket is outside [0, 1).
 *
 * @category choices
 * @since 0.1.0
 */
export const choose = (weights: ReadonlyArray<number>, bucket: number): number | undefined => {
  if (!(bucket >= 0 && bucket < 1)) return undefined
  let total = 0
  for (const weight of weights) {
    if (!isWeight(weight)) return undefined
    total += weight
  }
  if (total === 0) return undefined
  let sum = 0
  let last: number | undefined
  for (const [index, weight] of weights.entries()) {
    if (weight === 0) continue
    sum += weight
    last = index
    // Two equal fractions round to the same number, so that n of 1,000 buckets are exactly n.
    if (bucket < sum / total) return index
  }
  return last
}

/**
 * A half-open part of [0, 1).
 *
 * @category models
 * @since 0.1.0
 */
export type Range = readonly [from: number, until: number]

/** GrowthBook's bound for the sum of weights: outside of it an SDK falls back to equal weights. */
const weightsTolerance = 0.01

/**
 * Returns GrowthBook's ranges: each variation begins where its weight does, and covers that part of it. An SDK ignores
 * weights that do not add up to 1, or not one per variation, and uses equal ones; so does this function, since both must
 * find the same variation. Coverage is cut to between 0 and 1.
 *
 * @category choices
 * @since 0.1.0
 */
export const ranges = (
  count: number,
  coverage: number,
  weights?: ReadonlyArray<number>
): ReadonlyArray<Range> => {
  const total = weights?.reduce((sum, weight) => sum + weight, 0) ?? 0
  const usable =
    weights !== undefined && weights.length === count && Math.abs(total - 1) <= weightsTolerance
      ? weights
      : Array.from({ length: count }, () => 1 / count)
  const covered = Math.min(1, Math.max(0, coverage))
  let sum = 0
  return usable.map((weight) => {
    const from = sum
    sum += weight
    return [from, from + covered * weight] as const
  })
}

/**
 * Returns the index of the first range that contains the bucket.
 *
 * @category choices
 * @since 0.1.0
 */
export const chooseRange = (ranges: ReadonlyArray<Range>, bucket: number): number | undefined => {
  for (const [index, [from, until]] of ranges.entries()) {
    if (bucket >= from && bucket < until) return index
  }
  return undefined
}
