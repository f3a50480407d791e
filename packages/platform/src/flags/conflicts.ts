/** Why a step of a change request cannot be applied, and who may approve it. */
import type * as Actor from "@hypermarket/core/Actor"
import type { VersionStale } from "@hypermarket/core/Precondition"
import type { StepRefused } from "../FlagChangeRequests.ts"

/** Longer than every reason but a list of flags or mistakes, which is cut off. */
const reasonCharactersMax = 1_000

/** Returns the reason, or undefined for a failure that passes. */
export const conflictReason = (
  refused: StepRefused | VersionStale,
  baseVersion: number
): string | undefined => {
  const reason = reasonOf(refused, baseVersion)
  return reason === undefined ? undefined : Array.from(reason).slice(0, reasonCharactersMax).join("")
}

const reasonOf = (refused: StepRefused | VersionStale, baseVersion: number): string | undefined => {
  switch (refused._tag) {
    case "VersionStale":
      return `the flag is at version ${refused.currentVersion}, and the request expects version ${baseVersion}`
    case "FlagNotFound":
      return "the flag was archived"
    case "FlagInvalid":
      return refused.errors.map(({ message, path }) => `${path.join(".")}: ${message}`).join("; ")
    case "FlagInUse":
      return `other flags need what it takes away: ${refused.usedBy.join(", ")}`
    case "FlagExists":
      return `another flag has the key ${refused.flagKey}`
    case "FlagEnvironmentNotFound":
      return `the flag is not in the environment ${refused.environment}`
    case "FlagVersionNotFound":
      return `the flag has no version ${refused.version}`
    case "FlagApprovalRequired":
      return `changes need an approval since it was scheduled: ${refused.environments.join(", ")}`
    default:
      return undefined
  }
}

/**
 * One person with two keys is not found by their ids. The name that a key sends for its user is not trusted: it can only refuse
 * an approval.
 */
export const isSamePerson = (author: Actor.Actor, actor: Actor.Actor): boolean =>
  (author.type === actor.type && author.id === actor.id) ||
  (author.onBehalfOf !== undefined && author.onBehalfOf === actor.onBehalfOf)
