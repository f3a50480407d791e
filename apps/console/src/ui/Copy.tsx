import { useEffect, useState } from "react"
import { after } from "./clock.ts"
import { cx } from "./Format.ts"

/** How long the word "copied" stays. */
const shownMillis = 1_200

/** An identifier that a click copies. */
export function Copy({
  className,
  shown,
  text
}: {
  readonly text: string
  readonly shown?: string
  readonly className?: string
}) {
  const [copied, setCopied] = useState(false)
  useEffect(() => (copied ? after(shownMillis, () => setCopied(false)) : undefined), [copied])
  return (
    <button
      type="button"
      title={`Copy ${text}`}
      className={cx("text-soft hover:text-ink rounded-sm text-left font-mono text-xs", className)}
      onClick={(event) => {
        event.stopPropagation()
        void navigator.clipboard.writeText(text).then(() => setCopied(true))
      }}
    >
      {copied ? "copied" : (shown ?? text)}
    </button>
  )
}
