/** The state of a page is in its address: plain `name=value` pairs, of which one name may occur more than once. */
import { useNavigate, useSearch } from "@tanstack/react-router"
import { useCallback } from "react"

export type Raw = Readonly<Record<string, unknown>>

export const parseSearch = (text: string): Record<string, unknown> => {
  const read: Record<string, string | Array<string>> = {}
  for (const [name, value] of new URLSearchParams(text)) {
    const existing = read[name]
    if (existing === undefined) read[name] = value
    else if (typeof existing === "string") read[name] = [existing, value]
    else existing.push(value)
  }
  return read
}

export const stringifySearch = (search: Raw): string => {
  const pairs = Object.entries(search).flatMap(([name, value]): Array<[string, string]> =>
    value === undefined || value === null || value === ""
      ? []
      : Array.isArray(value)
        ? value.map((item) => [name, String(item)])
        : [[name, String(value)]]
  )
  const text = new URLSearchParams(pairs).toString()
  return text === "" ? "" : `?${text}`
}

export const textOf = (raw: Raw, name: string): string | undefined => {
  const value = raw[name]
  return typeof value === "string" && value !== "" ? value : undefined
}

export const textsOf = (raw: Raw, name: string): ReadonlyArray<string> => {
  const value = raw[name]
  if (typeof value === "string") return [value]
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : []
}

/** Returns one of the values that a name may have. */
export const oneOf = <const A extends string>(
  raw: Raw,
  name: string,
  values: ReadonlyArray<A>
): A | undefined => values.find((value) => value === raw[name])

/** Returns the pairs of the address, and a function that changes some of them without a new entry in the history. */
export const useAddress = () => {
  const raw: Raw = useSearch({ strict: false })
  const navigate = useNavigate()
  const change = useCallback(
    (next: Raw, options?: { readonly push?: boolean }) => {
      void navigate({
        to: ".",
        search: (existing: Raw) => ({ ...existing, ...next }),
        replace: options?.push !== true,
        resetScroll: false
      })
    },
    [navigate]
  )
  return [raw, change] as const
}
