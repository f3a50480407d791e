import { useQuery } from "@tanstack/react-query"
import { ArrowRight, CircleCheck } from "lucide-react"
import { call } from "../../api/call.ts"
import type { AlertItem } from "../../Console.ts"
import { alertWords } from "../../registry.ts"
import { useMay } from "../../shell/Access.tsx"
import { State, textTones, type Tone } from "../../ui/Badge.tsx"
import { cx, utc } from "../../ui/Format.ts"
import { Page } from "../../ui/Page.tsx"
import { PageLink } from "../../ui/PageLink.tsx"
import { Failure, Skeleton } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { LastDay } from "../analytics/LastDay.tsx"
import { RunningQueues } from "../events/RunningQueues.tsx"
import { unlessLive } from "../../ui/polling.ts"

type Severity = AlertItem["severity"]

const tones: Readonly<Record<Severity, Tone>> = { critical: "bad", warning: "warn", info: "plain" }
const severities: Readonly<Record<Severity, string>> = {
  critical: "Broken",
  warning: "Waiting",
  info: "Notice"
}

const reasons = {
  "scope-missing": "the key may not read it",
  late: "it did not answer in time",
  failed: "it failed"
}

function Need({ alert }: { readonly alert: AlertItem }) {
  const words = alertWords(alert)
  const tone = tones[alert.severity]
  return (
    <li className="hover:bg-hover flex items-center gap-4 px-4 py-3">
      <State tone={tone} label={severities[alert.severity]} />
      <div className="min-w-0 flex-1">
        <p className="font-medium">{words.title}</p>
        <p className="text-soft mt-px text-sm">{words.detail}</p>
      </div>
      <span className="text-soft w-28 text-right text-xs">
        {alert.since === null ? alert.domain : <Time at={alert.since} />}
      </span>
      <span className={cx("num w-20 text-right text-lg font-semibold", textTones[tone])}>{words.figure}</span>
      <PageLink
        to={words.act.place.to}
        search={words.act.place.search ?? {}}
        className="btn w-40 justify-between"
      >
        {words.act.label}
        <ArrowRight size={14} className="text-soft shrink-0" aria-hidden />
      </PageLink>
    </li>
  )
}

const leadOf = (alerts: ReadonlyArray<AlertItem> | undefined): string => {
  if (alerts === undefined) return "Asking every domain"
  if (alerts.length === 0) return "Nothing right now"
  const number = (severity: Severity) => alerts.filter((alert) => alert.severity === severity).length
  return [
    [number("critical"), "broken"] as const,
    [number("warning"), "waiting"] as const,
    [number("info"), "to know"] as const
  ]
    .filter(([amount]) => amount > 0)
    .map(([amount, word]) => `${amount} ${word}`)
    .join(", ")
}

export default function Overview() {
  const alerts = useQuery({
    queryKey: ["alerts"],
    refetchInterval: unlessLive,
    queryFn: ({ signal }) => call("GET /v1/overview/alerts", { signal })
  })
  const mayEvents = useMay("events:read")
  const mayAnalytics = useMay("analytics:read")
  const items = alerts.data?.items
  const missing = alerts.data?.missing ?? []
  return (
    <Page
      name="Overview"
      title="What needs you"
      lead={alerts.isError && items === undefined ? undefined : leadOf(items)}
    >
      {alerts.isError ? <Failure error={alerts.error} retry={() => void alerts.refetch()} /> : null}
      {items === undefined ? (
        alerts.isPending ? (
          <Skeleton rows={3} />
        ) : null
      ) : items.length > 0 ? (
        <ul className="card divide-line divide-y" aria-label="What needs you">
          {items.map((alert) => (
            <Need key={`${alert.domain}/${alert.kind}/${alert.subject}`} alert={alert} />
          ))}
        </ul>
      ) : (
        <p className="card flex items-center gap-3 px-4 py-3.5 text-sm">
          <CircleCheck className="text-good" size={17} aria-hidden />
          {missing.length === 0
            ? "Every domain was asked, and none has something that needs you."
            : "The domains that were asked have nothing that needs you."}
          <span className="text-soft num ml-auto text-xs">
            {utc(new Date(alerts.dataUpdatedAt).toISOString())}
          </span>
        </p>
      )}
      {missing.length === 0 ? null : (
        <p className="text-warn mt-2 text-sm" role="status">
          Not in this list: {missing.map(({ domain, reason }) => `${domain} (${reasons[reason]})`).join(", ")}
        </p>
      )}
      {mayAnalytics ? <LastDay /> : null}
      {mayEvents ? <RunningQueues /> : null}
    </Page>
  )
}
