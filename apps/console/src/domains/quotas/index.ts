import { Gauge } from "lucide-react"
import { domain } from "../../Console.ts"

export const quotas = domain({
  name: "quotas",
  group: "Watch",
  pages: [
    {
      path: "/limits",
      label: "Limits",
      icon: Gauge,
      key: "l",
      requires: "quotas:read",
      load: () => import("./Limits.tsx")
    }
  ],
  lookups: {
    "rate-policy": (id) => ({ to: "/limits", search: { policy: id } })
  }
})
