import { Activity, Users } from "lucide-react"
import { domain } from "../../Console.ts"

export const overview = domain({
  name: "core",
  group: "",
  pages: [
    { path: "/", label: "Overview", icon: Activity, key: "o", load: () => import("./Overview.tsx") },
    {
      path: "/timeline",
      label: "Orders & customers",
      icon: Users,
      key: "t",
      load: () => import("./FindSubject.tsx")
    },
    { path: "/timeline/$kind/$id", load: () => import("./SubjectTimeline.tsx") }
  ],
  lookups: {
    customer: (id) => ({ to: `/timeline/customer/${encodeURIComponent(id)}` })
  }
})
