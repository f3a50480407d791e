import { useQuery } from "@tanstack/react-query"
import { Exact, type Origin } from "../../ui/Exact.tsx"
import { freshness } from "./data.ts"

/** The badge of exactness, with the last proof of the tenant's figures. */
export function SalesExact({ origin }: { readonly origin: Origin }) {
  const read = useQuery(freshness)
  return <Exact origin={origin} proof={read.data} />
}
