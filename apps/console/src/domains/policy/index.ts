import { Scale } from "lucide-react"
import { domain } from "../../Console.ts"

export const policy = domain({
  name: "platform",
  group: "Trust",
  pages: [
    {
      path: "/policies",
      label: "Policies",
      icon: Scale,
      requires: "policy:read",
      load: () => import("./Policies.tsx")
    }
  ],
  lookups: {
    "region-policy": (id) => ({ to: "/policies", search: { policy: id } })
  }
})
