import { CalendarClock, Flag } from "lucide-react"
import { domain } from "../../Console.ts"

export const flags = domain({
  name: "platform",
  group: "Release",
  pages: [
    {
      path: "/flags",
      label: "Flags",
      icon: Flag,
      key: "f",
      requires: "flags:read",
      load: () => import("./Flags.tsx")
    },
    {
      path: "/flag-requests",
      label: "Flag changes",
      icon: CalendarClock,
      key: "d",
      requires: "flags:read",
      load: () => import("./Requests.tsx")
    },
    { path: "/flags/$flagKey", requires: "flags:read", load: () => import("./Flag.tsx") }
  ],
  lookups: {
    flag: (id) => ({ to: `/flags/${encodeURIComponent(id)}` })
  }
})
