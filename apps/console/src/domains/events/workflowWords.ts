/** The alerts of workflows, and their items on a timeline. */
import { CircleCheck, CircleX, Workflow } from "lucide-react"
import {
  type AlertItem,
  type AlertWords,
  member,
  type TimelineItem,
  type TimelineWords
} from "../../Console.ts"
import { count, counted } from "../../ui/Format.ts"
import type { Tone } from "../../ui/Badge.tsx"

const placeOf = (executionId: string) => ({ to: `/workflows/${encodeURIComponent(executionId)}` })

export const workflowAlerts: Readonly<Record<string, (alert: AlertItem) => AlertWords>> = {
  "workflow.waiting": (alert) => ({
    title: `${counted(alert.value ?? 0, "execution")} of ${member(alert.data, "name") ?? alert.subject} ${alert.value === 1 ? "waits" : "wait"} for a worker`,
    detail: `No worker has version ${member(alert.data, "version") ?? ""} of the code. Nothing is lost: they run when one starts.`,
    figure: count(alert.value ?? 0),
    act: {
      label: "See them",
      place: { to: "/workflows", search: { name: member(alert.data, "name"), state: "ready" } }
    }
  }),
  "workflow.diverging": (alert) => ({
    title: `The code of an execution of ${member(alert.data, "name") ?? "a workflow"} has changed`,
    detail: `It recorded ${member(alert.data, "activity") ?? "an activity"}, and its last run did not ask for it. Changed code needs a new version.`,
    act: { label: "Open the execution", place: placeOf(alert.subject) }
  }),
  "workflow.suspended": (alert) => ({
    title: `An execution of ${member(alert.data, "name") ?? "a workflow"} needs a resume`,
    detail: `${member(alert.data, "error") ?? "No error is recorded"}. What it did is recorded: a resume goes on from there.`,
    act: { label: "Open the execution", place: placeOf(alert.subject) }
  })
}

const words =
  (icon: TimelineWords["icon"], tone: Tone, verb: string) =>
  (item: TimelineItem): TimelineWords => {
    const [link] = item.links
    return {
      icon,
      tone,
      title: `Workflow ${member(item.data, "workflow") ?? ""} ${verb}`,
      ...(link === undefined ? {} : { place: placeOf(link.id) })
    }
  }

export const workflowTimeline: Readonly<Record<string, (item: TimelineItem) => TimelineWords>> = {
  "workflow.started": words(Workflow, "plain", "started"),
  "workflow.succeeded": words(CircleCheck, "good", "succeeded"),
  "workflow.failed": words(CircleX, "bad", "failed"),
  "workflow.cancelled": words(CircleX, "warn", "was cancelled"),
  "workflow.killed": words(CircleX, "warn", "was killed"),
  "workflow.task": (item) => {
    const isFailed = member(item.data, "outcome") === "failed"
    return {
      ...words(isFailed ? CircleX : CircleCheck, isFailed ? "bad" : "good", "")(item),
      title: `${member(item.data, "task") ?? "A task"} ${isFailed ? "failed" : "was done"}`,
      detail: member(item.data, "workflow") ?? ""
    }
  }
}
