import { ScrollText } from "lucide-react"
import { domain } from "../../Console.ts"

export const audit = domain({
  name: "platform",
  group: "Account",
  pages: [
    {
      path: "/audit",
      label: "Audit log",
      icon: ScrollText,
      key: "a",
      requires: "audit:read",
      load: () => import("./AuditLog.tsx")
    }
  ]
})
