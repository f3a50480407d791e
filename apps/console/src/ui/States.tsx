/** The states of data that is not there: it loads, it failed, it is empty, it may not be read. */
import { CircleAlert, Inbox, Lock } from "lucide-react"
import { type ReactNode, useEffect, useState } from "react"
import { apiPathOf } from "../api/base.ts"
import { Problem } from "../api/Problem.ts"
import { after } from "./clock.ts"
import { Copy } from "./Copy.tsx"

/** Data that comes sooner than this is not announced: a flash would be worse. */
const skeletonDelayMillis = 150

/** Rows of the height that the data will have. */
export function Skeleton({ rows = 6 }: { readonly rows?: number }) {
  const [shown, setShown] = useState(false)
  useEffect(() => after(skeletonDelayMillis, () => setShown(true)), [])
  return (
    <div role="status" aria-label="Loading" className="card divide-line divide-y">
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className="flex h-9 items-center gap-6 px-3">
          {shown ? (
            <>
              <span className="bg-hover h-2.5 w-40 rounded-sm" />
              <span className="bg-hover h-2.5 w-16 rounded-sm" />
              <span className="bg-hover h-2.5 w-24 rounded-sm" />
            </>
          ) : null}
        </div>
      ))}
    </div>
  )
}

/** Nothing is there: why, and what fills it. */
export function Empty({ children, title }: { readonly title: string; readonly children?: ReactNode }) {
  return (
    <div className="card flex flex-col items-center gap-1 px-6 py-10 text-center">
      <Inbox size={20} className="text-faint mb-1" aria-hidden />
      <p className="font-medium">{title}</p>
      <div className="text-soft max-w-lg text-sm">{children}</div>
    </div>
  )
}

/** The key of the session lacks a scope. What it would show is not empty; it is not shown. */
export function Forbidden({ scope }: { readonly scope: string }) {
  return (
    <div role="alert" className="card flex items-start gap-3 p-4 text-sm">
      <Lock size={17} className="text-warn mt-0.5 shrink-0" aria-hidden />
      <div>
        <p className="font-medium">This session may not see this</p>
        <p className="text-soft mt-0.5">
          Its key lacks the scope <code className="font-mono text-xs">{scope}</code>. Sign in with a key that
          has it:{" "}
          <code className="font-mono text-xs">hypermarket keys create &lt;tenant&gt; --scope {scope}</code>
        </p>
      </div>
    </div>
  )
}

const failureOf = (error: unknown): Problem => (error instanceof Problem ? error : Problem.unexpected(error))

/** The API answered with a problem, or did not answer. */
export function Failure({ error, retry }: { readonly error: unknown; readonly retry?: () => void }) {
  const { fields, status } = failureOf(error)
  return (
    <div role="alert" className="card border-bad flex items-start gap-3 p-4 text-sm">
      <CircleAlert size={17} className="text-bad mt-0.5 shrink-0" aria-hidden />
      <div className="min-w-0">
        <p className="font-medium">{fields.title}</p>
        {fields.detail === null ? null : <p className="text-soft mt-0.5">{fields.detail}</p>}
        {fields.errors.map(({ message, path }) => (
          <p key={`${path.join(".")} ${message}`} className="mt-0.5">
            <code className="font-mono text-xs">{path.join(".")}</code> {message}
          </p>
        ))}
        <p className="text-soft mt-1 flex flex-wrap gap-x-3 text-xs">
          {status === 0 ? null : <span className="num">status {status}</span>}
          {fields.type.startsWith("urn:") ? (
            <a className="link" href={apiPathOf(`/docs/problems#${fields.type}`)}>
              {fields.type}
            </a>
          ) : null}
          {fields.requestId === null ? null : (
            <span>
              request <Copy text={fields.requestId} />
            </span>
          )}
          {fields.retryAfterSeconds === null ? null : <span>try again in {fields.retryAfterSeconds} s</span>}
        </p>
      </div>
      {retry === undefined ? null : (
        <button type="button" className="btn ml-auto" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  )
}

interface AnyList {
  readonly data: unknown
  readonly error: unknown
  readonly isError: boolean
  readonly items: ReadonlyArray<unknown>
  readonly refetch: () => unknown
}

/** A list by its state: what failed, that it loads, why it is empty, or its rows, which stay when a later read fails. */
export function Listed({
  children,
  empty,
  list
}: {
  readonly list: AnyList
  readonly empty: ReactNode
  readonly children: ReactNode
}) {
  return (
    <>
      {list.isError ? <Failure error={list.error} retry={() => void list.refetch()} /> : null}
      {list.items.length > 0 ? (
        children
      ) : list.isError ? null : list.data === undefined ? (
        <Skeleton />
      ) : (
        empty
      )}
    </>
  )
}
