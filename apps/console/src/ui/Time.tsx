import { useNow } from "./clock.ts"
import { ago, utc } from "./Format.ts"
import { Tip } from "./Tip.tsx"

/** A time by its distance from now, in full on hover. */
export function Time({ at }: { readonly at: string }) {
  const now = useNow()
  return (
    <Tip text={utc(at)}>
      <time dateTime={at} className="num">
        {ago(at, now)}
      </time>
    </Tip>
  )
}
