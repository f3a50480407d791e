import { Gavel, ShieldAlert } from "lucide-react"
import { domain, member } from "../../Console.ts"

const tones = { allow: "good", challenge: "warn", review: "warn", hold: "warn", block: "bad" } as const

const isOutcome = (text: string | undefined): text is keyof typeof tones =>
  text !== undefined && text in tones

export const risk = domain({
  name: "risk",
  group: "Trust",
  pages: [
    {
      path: "/risk/decisions",
      label: "Risk decisions",
      icon: Gavel,
      key: "r",
      requires: "risk:read",
      load: () => import("./Decisions.tsx")
    },
    { path: "/risk/decisions/$decisionId", requires: "risk:read", load: () => import("./Decision.tsx") },
    {
      path: "/risk/rules",
      label: "Risk rules",
      icon: ShieldAlert,
      requires: "risk:read",
      load: () => import("./Rules.tsx")
    }
  ],
  lookups: {
    decision: (id) => ({ to: `/risk/decisions/${encodeURIComponent(id)}` })
  },
  timeline: {
    "risk.decided": (item) => {
      const outcome = member(item.data, "outcome")
      return {
        icon: ShieldAlert,
        tone: isOutcome(outcome) ? tones[outcome] : "plain",
        title: `Risk decided: ${outcome ?? "unknown"}`,
        place: { to: `/risk/decisions/${encodeURIComponent(item.itemId)}` }
      }
    }
  }
})
