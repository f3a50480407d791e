import { count, counted, cx, utc } from "./Format.ts"
import { type Exactness, ExactWord, exactClass } from "./Exact.tsx"
import { Pop } from "./Pop.tsx"

/** Where the figures come from, open when it comes. */
export default function ExactPopover({ exactness }: { readonly exactness: Exactness }) {
  const { isReported, origin, proof, text, title } = exactness
  return (
    <Pop
      role="dialog"
      label={title}
      align="end"
      shown={<ExactWord exactness={exactness} />}
      buttonClass={cx(exactClass, exactness.className)}
      popupClass="floating fade w-84 p-3 text-left text-sm"
    >
      <p className="mb-1 font-semibold">{title}</p>
      <p className="text-soft mb-2">{text}</p>
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
    </Pop>
  )
}
