/** How pages stay current: by the stream of changes, and by asking again where it tells nothing. */
import { type QueryClient, useQueryClient } from "@tanstack/react-query"
import { useEffect, useSyncExternalStore } from "react"
import { currentLive, follow, type Live, onLive, type Topic, topics } from "../api/live.ts"
import { after } from "./clock.ts"

/** How often a page that is looked at asks again. */
export const pollMillis = 10_000

/** The first part of the keys of what a topic is about. */
const keys: Readonly<Record<Topic, string>> = { alerts: "alerts", queues: "queues" }

/** Changes that follow each other sooner are one: a queue that works changes every second. */
const restMillis = 2_000

/** Returns how often something that the stream tells of is asked for: not at all while there is one. */
export const unlessLive = (): number | false => (currentLive().state === "live" ? false : pollMillis)

export const useLive = (): Live => useSyncExternalStore(onLive, currentLive)

/** Asks again for what has changed, at once and then at most every two seconds. */
const makeRefresh = (queries: QueryClient) => {
  const resting = new Set<Topic>()
  const waiting = new Set<Topic>()
  const refresh = (changed: ReadonlyArray<Topic>): void => {
    for (const topic of changed) {
      if (resting.has(topic)) {
        waiting.add(topic)
        continue
      }
      resting.add(topic)
      void queries.invalidateQueries({ queryKey: [keys[topic]] })
      after(restMillis, () => {
        resting.delete(topic)
        if (waiting.delete(topic)) refresh([topic])
      })
    }
  }
  return refresh
}

/** Follows the stream while the pages of a tenant are shown. When it is lost, everything is asked for, and polled from then on. */
export const useFollow = (): void => {
  const queries = useQueryClient()
  useEffect(() => {
    const refresh = makeRefresh(queries)
    const stop = follow(refresh)
    const forget = onLive(() => {
      if (currentLive().state === "away") refresh(topics)
    })
    return () => {
      forget()
      stop()
    }
  }, [queries])
}
