import { Lock } from "lucide-react"
import { Fragment } from "react"

/** The line in place of data that the API has left out: the scopes that would show it. Nothing when all of it is there. */
export function Withheld({
  scopes,
  what
}: {
  readonly scopes: ReadonlyArray<string> | undefined
  readonly what: string
}) {
  if (scopes === undefined) return null
  return (
    <p className="text-soft flex items-start gap-2 text-xs">
      <Lock size={13} className="text-warn mt-0.5 shrink-0" aria-hidden />
      <span>
        {what} not shown: the session’s key lacks the scope{" "}
        {scopes.map((scope, index) => (
          <Fragment key={scope}>
            {index === 0 ? null : " and "}
            <code className="font-mono">{scope}</code>
          </Fragment>
        ))}
        .
      </span>
    </p>
  )
}
