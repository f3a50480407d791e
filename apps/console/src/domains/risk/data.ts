/** Decisions and their outcomes. */
import type { Success } from "../../api/Endpoints.ts"
import type { Tone } from "../../ui/Badge.tsx"

export type Decision = Success<"GET /v1/risk/decisions">["items"][number]

export const decisionPlace = (decisionId: string) => ({
  to: `/risk/decisions/${encodeURIComponent(decisionId)}`
})

export const outcomeTones: Readonly<Record<Decision["outcome"], Tone>> = {
  allow: "good",
  challenge: "warn",
  review: "warn",
  hold: "warn",
  block: "bad"
}
