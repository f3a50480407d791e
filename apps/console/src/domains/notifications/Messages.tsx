import { call } from "../../api/call.ts"
import { Badge } from "../../ui/Badge.tsx"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { count } from "../../ui/Format.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Page } from "../../ui/Page.tsx"
import { Empty, Listed } from "../../ui/States.tsx"
import { Time } from "../../ui/Time.tsx"
import { messagePlace, reasonWords, recipientWords, states } from "./data.ts"
import { ExplainMessage } from "./ExplainMessage.tsx"

/** Messages to customers, sellers and operators, the newest first. */
export default function Messages() {
  const list = useList(
    ["messages"],
    (cursor, signal) => call("GET /v1/notifications/messages", { query: pageQuery(cursor), signal }),
    { polls: true }
  )
  return (
    <Page name="Messages" lead="Who was told what, and the reason where someone was not">
      <Listed
        list={list}
        empty={
          <Empty title="No message was triggered">
            <code className="font-mono text-xs">POST /v1/notifications/triggers</code> sends one; a mapping
            sends one by each fact of the shop.
          </Empty>
        }
      >
        <DataTable
          label="Messages"
          rows={list.items}
          keyOf={({ notificationId }) => notificationId}
          placeOf={({ notificationId }) => messagePlace(notificationId)}
          columns={[
            {
              name: "to",
              label: "To",
              cell: ({ to }) => <span className="font-mono text-xs">{recipientWords(to)}</span>
            },
            {
              name: "state",
              label: "State",
              width: "110px",
              cell: ({ state }) => <Badge tone={states[state].tone}>{state}</Badge>
            },
            {
              name: "reason",
              label: "Reason",
              cell: ({ reason }) => <span className="text-soft text-xs">{reasonWords(reason)}</span>
            },
            { name: "category", label: "Category", width: "130px", cell: ({ category }) => category },
            { name: "channel", label: "Channel", width: "90px", cell: ({ channel }) => channel },
            {
              name: "attempts",
              label: "Attempts",
              right: true,
              width: "90px",
              cell: ({ attempts }) => count(attempts)
            },
            {
              name: "at",
              label: "Changed",
              width: "120px",
              cell: ({ updatedAt }) => <Time at={updatedAt} />
            }
          ]}
        />
        <More list={list} />
      </Listed>
      <ExplainMessage />
    </Page>
  )
}
