import { CalendarClock, CircleX, ListTree, Rss, Send, Webhook, Workflow } from "lucide-react"
import { type AlertItem, domain, member, type TimelineItem, type TimelineWords } from "../../Console.ts"
import { count, counted } from "../../ui/Format.ts"
import { workflowAlerts, workflowTimeline } from "./workflowWords.ts"

const queuePlace = (queue: string) => ({ to: `/queues/${encodeURIComponent(queue)}` })

const delivery =
  (words: Omit<TimelineWords, "title" | "detail">, verb: string) =>
  (item: TimelineItem): TimelineWords => ({
    ...words,
    title: `Webhook ${verb}`,
    detail: member(item.data, "type") ?? ""
  })

const failing = (title: string) => (alert: AlertItem) => ({
  title: `${title} ${member(alert.data, "url") ?? alert.subject}`,
  detail: `${member(alert.data, "lastError") ?? "No error is recorded"}. ${counted(alert.value ?? 0, "delivery", "deliveries")} wait and are kept.`,
  figure: count(alert.value ?? 0),
  act: { label: "Open the webhook", place: { to: `/webhooks/${encodeURIComponent(alert.subject)}` } }
})

export const events = domain({
  name: "events",
  group: "Run",
  pages: [
    {
      path: "/queues",
      label: "Queues",
      icon: ListTree,
      key: "q",
      requires: "events:read",
      load: () => import("./Queues.tsx")
    },
    { path: "/queues/$queue", requires: "events:read", load: () => import("./Queue.tsx") },
    { path: "/queues/$queue/jobs/$jobId", requires: "events:read", load: () => import("./Job.tsx") },
    {
      path: "/schedules",
      label: "Schedules",
      icon: CalendarClock,
      key: "h",
      requires: "events:read",
      load: () => import("./Schedules.tsx")
    },
    {
      path: "/subscriptions",
      label: "Subscriptions",
      icon: Rss,
      key: "u",
      requires: "events:read",
      load: () => import("./Subscriptions.tsx")
    },
    {
      path: "/webhooks",
      label: "Webhooks",
      icon: Webhook,
      key: "w",
      requires: "events:read",
      load: () => import("./Webhooks.tsx")
    },
    { path: "/webhooks/$endpointId", requires: "events:read", load: () => import("./Webhook.tsx") },
    {
      path: "/workflows",
      label: "Workflows",
      icon: Workflow,
      key: "v",
      requires: "events:read",
      load: () => import("./Workflows.tsx")
    },
    { path: "/workflows/$executionId", requires: "events:read", load: () => import("./Workflow.tsx") }
  ],
  lookups: {
    queue: queuePlace,
    schedule: (id) => ({ to: "/schedules", search: { schedule: id } }),
    subscription: (id) => ({ to: "/subscriptions", search: { subscription: id } }),
    webhook: (id) => ({ to: `/webhooks/${encodeURIComponent(id)}` }),
    workflow: (id) => ({ to: `/workflows/${encodeURIComponent(id)}` })
  },
  alerts: {
    "queue.dead": (alert) => ({
      title: `${counted(alert.value ?? 0, "job")} of ${alert.subject} ${alert.value === 1 ? "is" : "are"} dead`,
      detail: "They failed on every attempt. Nothing is lost: redrive them when the cause is gone.",
      figure: count(alert.value ?? 0),
      act: { label: "See the errors", place: queuePlace(alert.subject) }
    }),
    "webhook.failing": failing("Deliveries fail to"),
    "webhook.disabled": failing("Deliveries are off to"),
    "webhook.late": (alert) => ({
      title: `${counted(alert.value ?? 0, "delivery", "deliveries")} to ${alert.subject} ${alert.value === 1 ? "is" : "are"} late`,
      detail:
        "They are due for more than a minute. Nothing is lost: a worker sends them, or the receiver answers slowly.",
      figure: count(alert.value ?? 0),
      act: { label: "Open the webhook", place: { to: `/webhooks/${encodeURIComponent(alert.subject)}` } }
    }),
    ...workflowAlerts
  },
  timeline: {
    "webhook.delivered": delivery({ icon: Send, tone: "good" }, "delivered"),
    "webhook.sending": delivery({ icon: Send, tone: "plain" }, "is being sent"),
    "webhook.waiting": delivery({ icon: Send, tone: "plain" }, "waits to be delivered"),
    "webhook.dead": delivery({ icon: CircleX, tone: "bad" }, "was not delivered"),
    ...workflowTimeline
  }
})
