import { Bug, HeartPulse, Tags } from "lucide-react"
import { domain, member } from "../../Console.ts"
import { alerts } from "./alertWords.ts"

export const observability = domain({
  name: "observability",
  group: "Watch",
  pages: [
    {
      path: "/errors",
      label: "Errors",
      icon: Bug,
      key: "e",
      requires: "observability:read",
      load: () => import("./Issues.tsx")
    },
    { path: "/errors/$issueId", requires: "observability:read", load: () => import("./Issue.tsx") },
    {
      path: "/releases",
      label: "Releases",
      icon: Tags,
      requires: "observability:read",
      load: () => import("./Releases.tsx")
    },
    {
      path: "/monitors",
      label: "Monitors",
      icon: HeartPulse,
      requires: "observability:read",
      load: () => import("./Monitors.tsx")
    }
  ],
  lookups: {
    issue: (id) => ({ to: `/errors/${encodeURIComponent(id)}` })
  },
  timeline: {
    "error.seen": (item) => ({
      icon: Bug,
      tone: member(item.data, "status") === "unresolved" ? "bad" : "plain",
      title: member(item.data, "title") ?? "An error",
      detail: `${member(item.data, "events") ?? "Some"} events, ${member(item.data, "status") ?? "unknown"}`,
      place: { to: `/errors/${encodeURIComponent(item.itemId)}` }
    })
  },
  alerts
})
