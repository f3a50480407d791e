import type { ReactNode } from "react"
import { Failure, Skeleton } from "./States.tsx"

interface Asked<A> {
  readonly data: A | undefined
  readonly error: unknown
  readonly isError: boolean
  readonly refetch: () => unknown
}

/** One answer by its state. What was read before stays when a later read fails. */
export function Loaded<A>({
  children,
  query,
  rows = 5
}: {
  readonly query: Asked<A>
  readonly rows?: number
  readonly children: (data: A) => ReactNode
}) {
  return (
    <>
      {query.isError ? <Failure error={query.error} retry={() => void query.refetch()} /> : null}
      {query.data !== undefined ? children(query.data) : query.isError ? null : <Skeleton rows={rows} />}
    </>
  )
}
