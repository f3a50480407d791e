/** The alerts of errors and monitors. */
import { type AlertItem, type AlertWords, member } from "../../Console.ts"
import { count } from "../../ui/Format.ts"

const ofIssue =
  (condition: string, detail: string) =>
  (alert: AlertItem): AlertWords => ({
    title: `${member(alert.data, "title") ?? "An error"} ${condition}`,
    detail,
    ...(alert.value === null ? {} : { figure: count(alert.value) }),
    act: { label: "Open the error", place: { to: `/errors/${encodeURIComponent(alert.subject)}` } }
  })

/** The subject is the project, the name and the environment. */
const ofMonitor =
  (condition: string) =>
  (alert: AlertItem): AlertWords => ({
    title: `The monitor ${member(alert.data, "title") ?? alert.subject} ${condition}`,
    detail: `In the environment ${alert.subject.split("/").at(-1) ?? ""}. The next check-in that succeeds ends this.`,
    act: { label: "See the monitors", place: { to: "/monitors" } }
  })

export const alerts: Readonly<Record<string, (alert: AlertItem) => AlertWords>> = {
  "issue.new": ofIssue("is new", "It was first seen within the last day. The figure counts its events."),
  "issue.regressed": ofIssue("is back", "It was resolved and happens again. The figure counts its events."),
  "issue.escalating": ofIssue(
    "happens more often",
    "This hour has three times the events of the busiest hour of the week before."
  ),
  "monitor.error": ofMonitor("reported an error"),
  "monitor.missed": ofMonitor("did not check in"),
  "monitor.timed-out": ofMonitor("began and did not end"),
  "monitor.late": ofMonitor("is late")
}
