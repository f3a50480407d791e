import { useQuery } from "@tanstack/react-query"
import { useParams } from "@tanstack/react-router"
import { Mail, MailCheck, MailX } from "lucide-react"
import { call } from "../../api/call.ts"
import { Badge, type Tone } from "../../ui/Badge.tsx"
import { Copy } from "../../ui/Copy.tsx"
import { Crumbs } from "../../ui/Crumbs.tsx"
import { Facts } from "../../ui/Facts.tsx"
import { count } from "../../ui/Format.ts"
import { Loaded } from "../../ui/Loaded.tsx"
import { Page, Section } from "../../ui/Page.tsx"
import { PageLink } from "../../ui/PageLink.tsx"
import { Time } from "../../ui/Time.tsx"
import { Timeline } from "../../ui/Timeline.tsx"
import { reasonWords, recipientWords, states } from "./data.ts"
import { pollMillis } from "../../ui/polling.ts"

const icons: Readonly<Record<Tone, typeof Mail>> = {
  good: MailCheck,
  bad: MailX,
  warn: Mail,
  accent: Mail,
  plain: Mail
}

/** One message: each change of its state, with the reason. */
export default function MessagePage() {
  const { notificationId = "" } = useParams({ strict: false })
  const message = useQuery({
    queryKey: ["messages", notificationId],
    refetchInterval: pollMillis,
    queryFn: ({ signal }) =>
      call("GET /v1/notifications/messages/:notificationId", { params: { notificationId }, signal })
  })
  return (
    <Page
      name="Message"
      title={
        <Crumbs
          to="/messages"
          list="Messages"
          name={message.data === undefined ? notificationId : recipientWords(message.data.to)}
        >
          {message.data === undefined ? null : (
            <Badge tone={states[message.data.state].tone}>{message.data.state}</Badge>
          )}
        </Crumbs>
      }
      lead={<Copy text={notificationId} />}
    >
      <Loaded query={message}>
        {(data) => (
          <>
            <div className="card p-4">
              <p className="mb-3 text-sm font-medium">
                The {data.channel} {states[data.state].words}
                {data.reason === null ? "." : `: ${reasonWords(data.reason)}.`}
              </p>
              <Facts
                facts={[
                  ["Category", data.category],
                  ["Trigger", <Copy key="trigger" text={data.triggerId} />],
                  ["Attempts", count(data.attempts)],
                  ...(data.uncertain === 0
                    ? []
                    : [
                        ["Unknown outcomes", `${data.uncertain}: it may have arrived as often again`] as const
                      ]),
                  ...(data.until === null ? [] : [["Due", <Time key="until" at={data.until} />] as const]),
                  ...("customer" in data.to
                    ? [
                        [
                          "Customer",
                          <PageLink
                            key="customer"
                            to={`/timeline/customer/${encodeURIComponent(data.to.customer)}`}
                            className="link"
                          >
                            What else happened to {data.to.customer}
                          </PageLink>
                        ] as const
                      ]
                    : [])
                ]}
              />
            </div>
            <Section title="History">
              <Timeline
                label="History"
                moments={data.history
                  .map(({ at, reason, state }, index) => ({
                    key: `${at} ${index}`,
                    at,
                    icon: icons[states[state].tone],
                    tone: states[state].tone,
                    title: state,
                    detail: reasonWords(reason),
                    side: null
                  }))
                  .toReversed()}
              />
            </Section>
          </>
        )}
      </Loaded>
    </Page>
  )
}
