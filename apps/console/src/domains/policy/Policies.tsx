import { call } from "../../api/call.ts"
import type { Success } from "../../api/Endpoints.ts"
import { textOf, useAddress } from "../../ui/address.ts"
import { Badge, type Tone } from "../../ui/Badge.tsx"
import { conditionWords } from "../../ui/condition.ts"
import { DataTable, More } from "../../ui/DataTable.tsx"
import { Facts } from "../../ui/Facts.tsx"
import { cx, date, utc } from "../../ui/Format.ts"
import { pageQuery, useList } from "../../ui/lists.ts"
import { Page } from "../../ui/Page.tsx"
import { Side } from "../../ui/Side.tsx"
import { Empty, Listed } from "../../ui/States.tsx"
import { Ask } from "./Ask.tsx"

type Policy = Success<"GET /v1/platform/policies">["items"][number]

const tones: Readonly<Record<Policy["effect"], Tone>> = {
  allow: "good",
  deny: "bad",
  require: "warn",
  value: "accent"
}

const scopeOf = ({ category, channel, region }: Policy): string =>
  [region, channel, category].filter((part) => part !== undefined).join(" · ")

const timeOf = ({ effectiveFrom, effectiveUntil }: Policy): string =>
  effectiveFrom === undefined && effectiveUntil === undefined
    ? "always"
    : [
        effectiveFrom === undefined ? "" : `from ${date(effectiveFrom)}`,
        effectiveUntil === undefined ? "" : `until ${date(effectiveUntil)}`
      ]
        .filter((part) => part !== "")
        .join(" ")

/** Every version of a policy, with the time in which it was what was known. */
function Versions({ onClose, policyKey }: { readonly policyKey: string; readonly onClose: () => void }) {
  const list = useList(["policies", policyKey, "versions"], (cursor, signal) =>
    call("GET /v1/platform/policies/:policyKey/versions", {
      params: { policyKey },
      query: pageQuery(cursor, 20),
      signal
    })
  )
  return (
    <Side
      label="Policy"
      onClose={onClose}
      title={<p className="font-mono text-sm font-medium">{policyKey}</p>}
    >
      <Listed list={list} empty={<p className="text-soft text-sm">No version is kept.</p>}>
        <ol className="space-y-5">
          {list.items.map((version) => (
            <li key={version.policyId}>
              <p className="mb-1.5 flex items-center gap-2 text-sm font-medium">
                Version {version.version}
                <Badge tone={version.supersededAt === null ? "good" : "plain"}>
                  {version.supersededAt === null ? "known now" : `known until ${date(version.supersededAt)}`}
                </Badge>
              </p>
              <Facts
                facts={[
                  ["Effect", `${version.effect} ${(version.requirements ?? []).join(", ")}`],
                  ["For", version.actions.join(", ")],
                  ["In", scopeOf(version)],
                  ["In force", timeOf(version)],
                  ...(version.condition === undefined
                    ? []
                    : [["Where", conditionWords(version.condition)] as const]),
                  ["By", version.legalBasis],
                  ["Source", version.source],
                  ["Recorded", utc(version.recordedAt)]
                ]}
              />
            </li>
          ))}
        </ol>
        <More list={list} />
      </Listed>
    </Side>
  )
}

/** Rules of law as dated data: what each says, since when, and by which law. */
export default function Policies() {
  const [raw, change] = useAddress()
  const open = textOf(raw, "policy")
  const list = useList(["policies"], (cursor, signal) =>
    call("GET /v1/platform/policies", { query: pageQuery(cursor), signal })
  )
  return (
    <Page name="Policies" lead="Rules of law as dated data. A deny wins; what is unknown never allows">
      <Listed
        list={list}
        empty={
          <Empty title="There is no policy">
            <code className="font-mono text-xs">POST /v1/platform/policies</code> makes one. The policies of
            the installation bind the tenant too, and are its operator’s.
          </Empty>
        }
      >
        <div
          className={cx("grid items-start gap-4", open !== undefined && "xl:grid-cols-[minmax(0,1fr)_430px]")}
        >
          <div className="min-w-0">
            <DataTable
              label="Policies"
              rows={list.items}
              keyOf={({ policyKey }) => policyKey}
              current={open}
              placeOf={({ policyKey }) => ({ to: "/policies", search: { policy: policyKey } })}
              columns={[
                {
                  name: "key",
                  label: "Policy",
                  cell: ({ policyKey }) => <span className="font-mono text-xs font-medium">{policyKey}</span>
                },
                {
                  name: "effect",
                  label: "Effect",
                  width: "90px",
                  cell: ({ effect }) => <Badge tone={tones[effect]}>{effect}</Badge>
                },
                { name: "actions", label: "Actions", cell: ({ actions }) => actions.join(", ") },
                { name: "scope", label: "In", cell: scopeOf },
                { name: "time", label: "In force", cell: timeOf },
                {
                  name: "law",
                  label: "By",
                  cell: ({ legalBasis }) => <span className="text-soft text-xs">{legalBasis}</span>
                }
              ]}
            />
            <More list={list} />
          </div>
          {open === undefined ? null : (
            <Versions policyKey={open} onClose={() => change({ policy: undefined })} />
          )}
        </div>
      </Listed>
      <Ask />
    </Page>
  )
}
