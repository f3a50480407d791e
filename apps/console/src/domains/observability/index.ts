import { Bug } from "lucide-react"
import { domain } from "../../Console.ts"
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
    { path: "/errors/$issueId", requires: "observability:read", load: () => import("./Issue.tsx") }
  ],
  lookups: {
    issue: (id) => ({ to: `/errors/${encodeURIComponent(id)}` })
  },
  alerts
})
