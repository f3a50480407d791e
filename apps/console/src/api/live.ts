/**
 * The stream of changes: it says that something has changed, and pages then ask again.
 *
 * One tab of a browser holds the stream and tells the others, because a browser has six connections per host over HTTP/1.1.
 * The tab that holds the lock is the one; when it closes, or is hidden for a minute, another takes over.
 */
import { after, nowMillis } from "../ui/clock.ts"
import { tenantOfAddress } from "./base.ts"
import { request } from "./call.ts"
import { Problem } from "./Problem.ts"

export type Topic = "alerts" | "queues"

export const topics: ReadonlyArray<Topic> = ["alerts", "queues"]

export interface Live {
  readonly state: "connecting" | "live" | "away"
  /** When the state began. */
  readonly sinceMillis: number
}

/** Heartbeats come every 15 seconds: three that are missing end the stream. */
const silenceMillisMax = 45_000

/** A stream that breaks is opened again after a second. While it cannot be opened, the time doubles with each attempt. */
const retryMillisMin = 1_000
const retryMillisMax = 30_000

/** A hidden tab gives the stream up after this time. */
const hiddenMillisMax = 60_000

let live: Live = { state: "connecting", sinceMillis: nowMillis() }
const listeners = new Set<() => void>()

const become = (state: Live["state"]): void => {
  if (live.state === state) return
  live = { state, sinceMillis: nowMillis() }
  for (const listener of listeners) listener()
}

export const currentLive = (): Live => live

export const onLive = (listener: () => void): (() => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

type Message =
  | { readonly kind: "changed"; readonly topics: ReadonlyArray<Topic> }
  | { readonly kind: "state"; readonly state: Live["state"] }
  /** A tab that has just opened asks the one that holds the stream. */
  | { readonly kind: "asked" }

const topicOf = (data: string): ReadonlyArray<Topic> => topics.filter((topic) => data.includes(`"${topic}"`))

/** Returns the messages of a text of server-sent events, and the part that is not complete yet. */
const readEvents = (
  text: string
): {
  readonly events: ReadonlyArray<{ readonly event: string; readonly data: string }>
  readonly rest: string
} => {
  const blocks = text.split("\n\n")
  const rest = blocks.pop() ?? ""
  const events = blocks.flatMap((block) => {
    const lines = block.split("\n")
    const valueOf = (name: string) =>
      lines
        .filter((line) => line.startsWith(`${name}:`))
        .map((line) => line.slice(name.length + 1).trimStart())
        .join("\n")
    const event = valueOf("event")
    return event === "" ? [] : [{ event, data: valueOf("data") }]
  })
  return { events, rest }
}

/** Reads one stream to its end. Calls `onReady` when the API has begun to tell of changes. */
const readStream = async (
  signal: AbortSignal,
  say: (message: Message) => void,
  onReady: () => void
): Promise<void> => {
  const silence = new AbortController()
  const response = await request("GET", `/v1/overview/live?topics=${topics.join(",")}`, {
    signal: AbortSignal.any([signal, silence.signal])
  })
  const reader = response.body?.getReader()
  if (reader === undefined) return
  const decoder = new TextDecoder()
  let rest = ""
  let stopWatch = after(silenceMillisMax, () => silence.abort())
  try {
    while (true) {
      const { done, value } = await reader.read()
      if (done) return
      stopWatch()
      stopWatch = after(silenceMillisMax, () => silence.abort())
      const read = readEvents(rest + decoder.decode(value, { stream: true }))
      rest = read.rest
      for (const { data, event } of read.events) {
        if (event === "ready") {
          onReady()
          say({ kind: "state", state: "live" })
          // Whatever has changed before is not told again.
          say({ kind: "changed", topics })
        } else {
          say({ kind: "changed", topics: topicOf(data) })
        }
      }
    }
  } finally {
    stopWatch()
  }
}

const pause = (millis: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const stop = after(millis, resolve)
    signal.addEventListener("abort", () => {
      stop()
      resolve()
    })
  })

/** Holds the stream, opening it again whenever it ends, until it is given up. */
const hold = async (signal: AbortSignal, say: (message: Message) => void): Promise<void> => {
  let retryMillis = retryMillisMin
  while (!signal.aborted) {
    try {
      // A stream that was open begins the count again, whether the API ended it or the connection broke.
      await readStream(signal, say, () => {
        retryMillis = retryMillisMin
      })
    } catch (error) {
      if (signal.aborted) return
      say({ kind: "state", state: "away" })
      // Who is no longer signed in opens no stream.
      if (error instanceof Problem && error.status === 401) return
    }
    await pause(retryMillis, signal)
    retryMillis = Math.min(retryMillis * 2, retryMillisMax)
  }
}

/** Follows the changes of the tenant in the address until it is stopped. Without the means for one stream, pages poll. */
export const follow = (onChange: (changed: ReadonlyArray<Topic>) => void): (() => void) => {
  const name = `hm.live.${tenantOfAddress() ?? ""}`
  if (!("locks" in navigator) || !("BroadcastChannel" in globalThis)) {
    become("away")
    return () => undefined
  }
  const channel = new BroadcastChannel(name)
  // A channel has no target: it reaches this origin alone.
  // oxlint-disable-next-line unicorn/require-post-message-target-origin
  const tell = (message: Message) => channel.postMessage(message)
  const stopped = new AbortController()
  let missed = false
  let holds = false
  const hear = (message: Message) => {
    if (message.kind === "state") become(message.state)
    if (message.kind === "changed") {
      if (document.hidden) missed = true
      else onChange(message.topics)
    }
  }
  channel.addEventListener("message", ({ data }: MessageEvent<Message>) => {
    if (data.kind !== "asked") hear(data)
    else if (holds) tell({ kind: "state", state: live.state })
  })
  const say = (message: Message) => {
    hear(message)
    tell(message)
  }
  let holding: AbortController | undefined
  let stopWaiting: (() => void) | undefined
  const take = () => {
    if (holding !== undefined || stopped.signal.aborted) return
    holding = new AbortController()
    const signal = AbortSignal.any([holding.signal, stopped.signal])
    tell({ kind: "asked" })
    navigator.locks
      .request(name, { signal }, async () => {
        holds = true
        await hold(signal, say)
        holds = false
      })
      // It was stopped while it waited for the lock.
      .catch(() => undefined)
  }
  const onVisibility = () => {
    stopWaiting?.()
    stopWaiting = undefined
    if (document.hidden) {
      stopWaiting = after(hiddenMillisMax, () => {
        holding?.abort()
        holding = undefined
      })
      return
    }
    take()
    if (missed) onChange(topics)
    missed = false
  }
  document.addEventListener("visibilitychange", onVisibility)
  take()
  return () => {
    document.removeEventListener("visibilitychange", onVisibility)
    stopWaiting?.()
    stopped.abort()
    channel.close()
  }
}
