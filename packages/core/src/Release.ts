/**
 * Release numbers `major.minor.patch`, as the bookkeeping of migrations compares them.
 *
 * @since 0.1.0
 */
import * as Order from "effect/Order"

/** Semantic Versioning 2.0.0; a pre-release counts as the release that it leads to. */
const pattern = /^(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:[-+][0-9A-Za-z.+-]{1,64})?$/

const partsOf = (release: string): ReadonlyArray<number> => {
  const parts = pattern.exec(release)
  if (parts === null) throw new TypeError(`"${release}" is not a release major.minor.patch`)
  return parts.slice(1, 4).map(Number)
}

/**
 * Returns whether a text is a release number.
 *
 * @category guards
 * @since 0.1.0
 */
export const isRelease = (text: string): boolean => pattern.test(text)

/**
 * Orders releases, oldest first. Throws on a text that is no release.
 *
 * @category instances
 * @since 0.1.0
 */
export const order: Order.Order<string> = Order.mapInput(Order.Array(Order.Number), partsOf)

/**
 * Returns true if the first release is older than the second.
 *
 * @category comparing
 * @since 0.1.0
 */
export const isOlder: (release: string, than: string) => boolean = (release, than) => order(release, than) < 0

/**
 * Returns true if code of one release may run beside the schema change of another: `oldestRelease` is at least one minor
 * release older than `since`. A first minor of a major has no minor before it that a number tells, so that any older
 * release will do; 0.1.0 is the first release of all.
 *
 * @category comparing
 * @since 0.1.0
 */
export const isPreviousMinor = (oldestRelease: string, since: string): boolean => {
  const [oldestMajor = 0, oldestMinor = 0] = partsOf(oldestRelease)
  const [major = 0, minor = 0] = partsOf(since)
  if (major === 0 && minor <= 1) return oldestMajor === 0 && oldestMinor <= 1
  return oldestMajor < major || (oldestMajor === major && oldestMinor < minor)
}
