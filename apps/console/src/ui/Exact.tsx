import { Popover } from "@base-ui/react/popover"
import { History, ShieldAlert, ShieldCheck } from "lucide-react"
import { count, counted, cx, utc } from "./Format.ts"

/** Where a figure of sales comes from, and until when it holds. */
export interface Origin {
  readonly source: string
  readonly zone: string | null
  readonly isComplete: boolean
  /** When the answer arrived. */
  readonly askedAt: number
  /** The close that the figures are of, when they are not those of now. */
  readonly closedAt?: string | undefined
}

/** The state of the figures as a whole: how they were last compared with their facts. */
export interface Proof {
  readonly status: "proven" | "differing" | "unproven"
  readonly backlog: { readonly rows: number }
  readonly proof: { readonly provedAt: string; readonly months: number; readonly differences: number } | null
  readonly differingMonths: ReadonlyArray<{ readonly month: string; readonly differences: number }>
}

const stateOf = (isReported: boolean, proof: Proof | undefined) => {
  if (isReported) {
    return {
      icon: History,
      className: "bg-warn-soft text-warn",
      label: "As reported",
      title: "As they were when the period was closed",
      text: "Facts that arrived later are not in these figures. The restatement lists them."
    }
  }
  if (proof?.status === "differing") {
    const months = proof.differingMonths.map(({ month }) => month).join(", ")
    return {
      icon: ShieldAlert,
      className: "bg-warn-soft text-warn",
      label: "Differs",
      title: "A proof has found differences",
      text: `Cells of ${months} differ from their facts. Rebuild these months: hypermarket analytics rebuild.`
    }
  }
  return {
    icon: ShieldCheck,
    className: "bg-good-soft text-good",
    label: "Exact",
    title: "Exact to the last commit",
    text: "The summaries and every fact that is not merged into them yet. An order that the API acknowledged before this question is counted once."
  }
}

/** The badge beside figures of sales: how exact they are, and how that is known. */
export function Exact({ origin, proof }: { readonly origin: Origin; readonly proof?: Proof | undefined }) {
  const isReported = origin.closedAt !== undefined
  const { className, icon: Icon, label, text, title } = stateOf(isReported, proof)
  return (
    <Popover.Root>
      <Popover.Trigger className={cx("chip h-7 px-2", className)}>
        <Icon size={13} aria-hidden />
        {label}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner sideOffset={6} align="end" className="z-50">
          <Popover.Popup className="floating fade w-84 p-3 text-sm">
            <Popover.Title className="mb-1 font-semibold">{title}</Popover.Title>
            <Popover.Description className="text-soft mb-2">{text}</Popover.Description>
            <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1 text-xs">
              <dt className="text-soft">Read from</dt>
              <dd className="font-mono">{origin.source}</dd>
              <dt className="text-soft">Days begin in</dt>
              <dd>{origin.zone ?? "each seller's zone"}</dd>
              <dt className="text-soft">{isReported ? "Closed" : "Asked"}</dt>
              <dd className="num">{utc(origin.closedAt ?? new Date(origin.askedAt).toISOString())}</dd>
              {isReported || proof === undefined ? null : (
                <>
                  <dt className="text-soft">To be merged</dt>
                  <dd className="num">{counted(proof.backlog.rows, "change")}</dd>
                  <dt className="text-soft">Last proof</dt>
                  <dd className="num">
                    {proof.proof === null
                      ? "none yet: it runs every night"
                      : `${utc(proof.proof.provedAt)}: ${counted(proof.proof.months, "month")}, ${count(proof.proof.differences)} differences`}
                  </dd>
                </>
              )}
              {origin.isComplete ? null : (
                <>
                  <dt className="text-soft">Rows</dt>
                  <dd>more than are shown</dd>
                </>
              )}
            </dl>
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  )
}
