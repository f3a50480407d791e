import { History, ShieldAlert, ShieldCheck } from "lucide-react"
import { lazy, Suspense, useState } from "react"
import { cx } from "./Format.ts"

const load = () => import("./ExactPopover.tsx")
const ExactPopover = lazy(load)

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

const exactnessOf = (origin: Origin, proof: Proof | undefined) => {
  const isReported = origin.closedAt !== undefined
  return { ...stateOf(isReported, proof), isReported, origin, proof }
}

export type Exactness = ReturnType<typeof exactnessOf>

export const exactClass = "chip h-7 px-2"

export function ExactWord({ exactness: { icon: Icon, label } }: { readonly exactness: Exactness }) {
  return (
    <>
      <Icon size={13} aria-hidden />
      {label}
    </>
  )
}

/** The badge beside figures of sales: how exact they are. How that is known is loaded when the pointer or the focus comes near. */
export function Exact({ origin, proof }: { readonly origin: Origin; readonly proof?: Proof | undefined }) {
  const [isOpened, setOpened] = useState(false)
  const exactness = exactnessOf(origin, proof)
  const button = (
    <button
      type="button"
      className={cx(exactClass, exactness.className)}
      aria-haspopup="dialog"
      aria-expanded={false}
      onPointerEnter={() => void load()}
      onFocus={() => void load()}
      onClick={() => setOpened(true)}
    >
      <ExactWord exactness={exactness} />
    </button>
  )
  return isOpened ? (
    <Suspense fallback={button}>
      <ExactPopover exactness={exactness} />
    </Suspense>
  ) : (
    button
  )
}
