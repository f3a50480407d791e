/** Reading pages of a list, one after another. */
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query"
import { pollMillis, unlessLive } from "./polling.ts"

interface AnyPage {
  readonly items: ReadonlyArray<unknown>
  readonly nextCursor: string | null
}

export const useList = <Page extends AnyPage>(
  key: ReadonlyArray<unknown>,
  read: (cursor: string | undefined, signal: AbortSignal) => Promise<Page>,
  options: { readonly polls?: boolean | "unlessLive"; readonly enabled?: boolean } = {}
) => {
  const list = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam, signal }) => read(pageParam, signal),
    initialPageParam: firstPage,
    getNextPageParam: (page) => page.nextCursor ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval:
      options.polls === "unlessLive" ? unlessLive : options.polls === true ? pollMillis : false,
    enabled: options.enabled ?? true
  })
  const items: ReadonlyArray<Page["items"][number]> = list.data?.pages.flatMap((page) => page.items) ?? []
  return { ...list, items }
}

const firstPage: string | undefined = undefined

/** Returns the query of a page of a list. */
export const pageQuery = (
  cursor: string | undefined,
  limit = 50
): { readonly limit: string; readonly cursor?: string } => ({
  limit: String(limit),
  ...(cursor === undefined ? {} : { cursor })
})
