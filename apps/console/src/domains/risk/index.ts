import { ShieldAlert } from "lucide-react"
import { domain, member } from "../../Console.ts"

const tones = { allow: "good", challenge: "warn", review: "warn", hold: "warn", block: "bad" } as const

const isOutcome = (text: string | undefined): text is keyof typeof tones =>
  text !== undefined && text in tones

export const risk = domain({
  name: "risk",
  group: "Trust",
  pages: [],
  timeline: {
    "risk.decided": (item) => {
      const outcome = member(item.data, "outcome")
      return {
        icon: ShieldAlert,
        tone: isOutcome(outcome) ? tones[outcome] : "plain",
        title: `Risk decided: ${outcome ?? "unknown"}`
      }
    }
  }
})
