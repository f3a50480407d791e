/**
 * The events of ours that a change of an issue publishes.
 */
import * as Outbox from "@hypermarket/core/Outbox"
import type { Change } from "./lifecycle.ts"

export interface IssueChange {
  readonly projectId: number
  readonly issueId: string
  readonly change: Change | "created"
  readonly title: string
  readonly level: string
  readonly release: string | null
  readonly atMillis: number
}

const names = {
  created: "issue.created",
  regressed: "issue.regressed",
  "mute-ended": "issue.unmuted"
} as const

export const eventOf = (changed: IssueChange) =>
  Outbox.event({
    domain: "observability",
    name: names[changed.change],
    subject: changed.issueId,
    time: new Date(changed.atMillis),
    data: {
      projectId: changed.projectId,
      issueId: changed.issueId,
      title: changed.title,
      level: changed.level,
      release: changed.release
    }
  })
