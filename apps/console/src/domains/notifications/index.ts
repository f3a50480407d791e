import { Mail } from "lucide-react"
import { domain } from "../../Console.ts"

export const notifications = domain({
  name: "notifications",
  group: "Talk",
  pages: [
    {
      path: "/messages",
      label: "Messages",
      icon: Mail,
      key: "m",
      requires: "notifications:read",
      load: () => import("./Messages.tsx")
    },
    { path: "/messages/$notificationId", requires: "notifications:read", load: () => import("./Message.tsx") }
  ],
  lookups: {
    notification: (id) => ({ to: `/messages/${encodeURIComponent(id)}` })
  }
})
