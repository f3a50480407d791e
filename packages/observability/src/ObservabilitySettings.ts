/**
 * Settings of this package.
 *
 * @since 0.1.0
 */
import * as Setting from "@hypermarket/core/Setting"
import * as Config from "effect/Config"

/**
 * @category settings
 * @since 0.1.0
 */
export const projectsMax = Setting.make({
  name: "HM_OBSERVABILITY_PROJECTS_MAX",
  doc: "Maximum error projects per tenant. A tenant that has as many gets a typed refusal.",
  read: (name) => Config.Int(name),
  defaultValue: 1_000
})

/**
 * Of the events of an issue in one hour, those of one release and environment that are kept when the hour is over. The first
 * ones are, the others stay counted. 0 keeps all.
 *
 * @category settings
 * @since 0.1.0
 */
export const eventsKeptPerHour = Setting.make({
  name: "HM_OBSERVABILITY_EVENTS_KEPT_PER_HOUR",
  doc: "Events of an issue that are kept of one hour, release and environment. The first are, the others are only counted. 0 keeps all.",
  read: (name) => Config.Int(name),
  defaultValue: 1_000
})

/**
 * The folder in which acknowledged errors wait while the database is unavailable. Empty: none, and errors are then refused.
 *
 * @category settings
 * @since 0.1.0
 */
export const spool = Setting.make({
  name: "HM_OBSERVABILITY_SPOOL",
  doc: "A folder of mode 0700 in which errors wait while the database is unavailable. Without it they are then refused.",
  read: (name) => Config.String(name),
  defaultValue: "",
  defaultText: ""
})

/**
 * @category settings
 * @since 0.1.0
 */
export const settings: ReadonlyArray<Setting.Any> = [eventsKeptPerHour, projectsMax, spool]
