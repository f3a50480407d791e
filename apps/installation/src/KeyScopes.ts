/** The scopes that keys of this installation can have: those that an endpoint asks for, and those that show data. */
import * as AccessScope from "@hypermarket/core/AccessScope"

/** Each is a domain or a part of one. A test compares them with the composed API. */
export const areas = [
  "analytics",
  "audit",
  "events",
  "experiments",
  "flags",
  "notifications",
  "observability",
  "platform",
  "policy",
  "quotas",
  "risk",
  "search"
] as const

const ofData: ReadonlySet<string> = new Set(AccessScope.ofData)
const known: ReadonlySet<string> = new Set(areas)

/** True for a scope that some endpoint asks for, or one that includes it. */
export const exists = (scope: string): boolean => ofData.has(scope) || known.has(scope.replace(/:.*/, ""))

/** The scopes, for a person who has mistyped one. */
export const text = `one of ${areas.join(", ")}, each with :read, :write or :admin; or ${AccessScope.ofData.join(", ")}`
