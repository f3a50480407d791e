import { KeyRound } from "lucide-react"
import { domain, member } from "../../Console.ts"
import { counted } from "../../ui/Format.ts"

export const platform = domain({
  name: "platform",
  group: "Account",
  pages: [
    {
      path: "/keys",
      label: "Keys",
      icon: KeyRound,
      key: "k",
      requires: "platform:read",
      load: () => import("./Keys.tsx")
    }
  ],
  lookups: {
    "api-key": (id) => ({ to: "/keys", search: { key: id } })
  },
  alerts: {
    "key.expiring": (alert) => ({
      title: `The key “${member(alert.data, "name") ?? alert.subject}” expires in ${counted(alert.value ?? 0, "day")}`,
      detail: "What uses it is refused from then on. Rotate it: both keys work for the time of the overlap.",
      figure: `${alert.value ?? 0} d`,
      act: { label: "Open the keys", place: { to: "/keys", search: { key: alert.subject } } }
    })
  }
})
