/**
 * Settings of this package.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Setting from "@hypermarket/core/Setting"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"

/**
 * @category settings
 * @since 0.1.0
 */
export const addressQuota = Setting.make({
  name: "HM_QUOTAS_ADDRESS_QUOTA",
  doc: "Requests per minute and client address that a process admits before it reads a key; 0 for no limit.",
  read: (name) => Config.Int(name),
  defaultValue: 0
})

/**
 * @category settings
 * @since 0.1.0
 */
export const checkDeadline = Setting.make({
  name: "HM_QUOTAS_CHECK_DEADLINE",
  doc: "A check of rate limits that the database has not decided by then is decided without it.",
  read: (name) => Config.Duration(name),
  defaultValue: Duration.millis(100),
  defaultText: "100 millis"
})

/**
 * @category settings
 * @since 0.1.0
 */
export const requestsMax = Setting.make({
  name: "HM_QUOTAS_REQUESTS_MAX",
  doc: "Requests with a tenant's key that a process works on at once; further ones are refused with 503. 0 for no limit.",
  read: (name) => Config.schema(BoundedInt.fromText({ minimum: 0, maximum: 1_000_000 }), name),
  defaultValue: 0
})

/**
 * @category settings
 * @since 0.1.0
 */
export const criticalReserve = Setting.make({
  name: "HM_QUOTAS_CRITICAL_RESERVE",
  doc: "Percent of HM_QUOTAS_REQUESTS_MAX that only the routes of HM_QUOTAS_CRITICAL_ROUTES get.",
  read: (name) => Config.schema(BoundedInt.fromText({ minimum: 0, maximum: 100 }), name),
  defaultValue: 20
})

/**
 * @category settings
 * @since 0.1.0
 */
export const criticalRoutes = Setting.make({
  name: "HM_QUOTAS_CRITICAL_ROUTES",
  doc: "Routes that are shed last, separated by commas: each `<group>.<endpoint>`, or the template of a protocol route.",
  read: (name) => Config.String(name),
  defaultValue: ""
})

/**
 * @category settings
 * @since 0.1.0
 */
export const utilisationMax = Setting.make({
  name: "HM_QUOTAS_UTILISATION_MAX",
  doc: "Percent of the event loop's time above which a process refuses a growing share of requests that are not critical; 0 for no limit.",
  read: (name) => Config.schema(BoundedInt.fromText({ minimum: 0, maximum: 100 }), name),
  defaultValue: 0
})

/**
 * @category settings
 * @since 0.1.0
 */
export const olderHeaders = Setting.make({
  name: "HM_QUOTAS_OLDER_HEADERS",
  doc: "Answers also have RateLimit-Limit, RateLimit-Remaining and RateLimit-Reset, for clients of the draft's sixth version.",
  read: (name) => Config.Boolean(name),
  defaultValue: false
})

/**
 * @category settings
 * @since 0.1.0
 */
export const settings: ReadonlyArray<Setting.Any> = [
  addressQuota,
  checkDeadline,
  requestsMax,
  criticalReserve,
  criticalRoutes,
  utilisationMax,
  olderHeaders
]
