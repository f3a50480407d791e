import { Layers, MessageSquareText, TextSearch } from "lucide-react"
import { domain, member } from "../../Console.ts"

export const search = domain({
  name: "search",
  group: "Sell",
  pages: [
    {
      path: "/search",
      label: "Search playground",
      icon: TextSearch,
      key: "p",
      requires: "search:read",
      load: () => import("./Playground.tsx")
    },
    {
      path: "/search/queries",
      label: "Search queries",
      icon: MessageSquareText,
      key: "y",
      requires: "search:read",
      load: () => import("./Queries.tsx")
    },
    {
      path: "/indexes",
      label: "Search indexes",
      icon: Layers,
      key: "i",
      requires: "search:read",
      load: () => import("./Indexes.tsx")
    },
    { path: "/indexes/$index", requires: "search:read", load: () => import("./Index.tsx") }
  ],
  lookups: {
    product: (id) => ({ to: `/timeline/product/${encodeURIComponent(id)}` }),
    index: (id) => ({ to: `/indexes/${encodeURIComponent(id)}` })
  },
  alerts: {
    "index.failed": (alert) => ({
      title: `Version ${member(alert.data, "versionId") ?? ""} of “${alert.subject}” failed`,
      detail: `${member(alert.data, "failure") ?? "No reason is recorded"}. Searches still use the version before it.`,
      act: { label: "Open the index", place: { to: `/indexes/${encodeURIComponent(alert.subject)}` } }
    })
  }
})
