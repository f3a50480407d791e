/** The points of a key as rate-limiter-flexible counts them: a fixed window that begins with its first request. */
import * as Schema from "effect/Schema"
import { expiresMillisMax, type Step } from "./keyedState.ts"

export const Points = Schema.Struct({
  consumed: Schema.Finite,
  /** Null for points that never expire. */
  endsMillis: Schema.NullOr(Schema.Finite)
})
type Points = typeof Points.Type

export interface Counted {
  readonly consumed: number
  readonly isFirst: boolean
  /** -1 for points that never expire. */
  readonly millisBeforeNext: number
}

/** One change of a key. */
export type Change =
  | { readonly type: "add"; readonly points: number; readonly seconds: number }
  | {
      readonly type: "consume"
      readonly points: number
      readonly seconds: number
      readonly pointsMax: number
      readonly blockSeconds: number
    }
  | { readonly type: "set"; readonly points: number; readonly seconds: number }
  | { readonly type: "get" }
  | { readonly type: "delete" }

export interface Request {
  readonly key: string
  readonly change: Change
}

const millisPerSecond = 1_000

const endOf = (seconds: number, now: number): number | null =>
  seconds > 0 ? now + seconds * millisPerSecond : null

const counted = ({ consumed, endsMillis }: Points, isFirst: boolean, now: number): Counted => ({
  consumed,
  isFirst,
  millisBeforeNext: endsMillis === null ? -1 : Math.max(0, Math.ceil(endsMillis - now))
})

const kept = (state: Points, isFirst: boolean, now: number): Step<Points, Counted> => ({
  state,
  expiresMillis: state.endsMillis ?? expiresMillisMax,
  answer: counted(state, isFirst, now)
})

const nothing = { state: undefined, answer: undefined }

export const step = (
  before: Points | undefined,
  { change }: Request,
  now: number
): Step<Points, Counted | undefined> => {
  const isLiving = before !== undefined && (before.endsMillis === null || before.endsMillis > now)
  const current = isLiving ? before : undefined
  switch (change.type) {
    case "get":
      return current === undefined ? { ...nothing, expiresMillis: now } : kept(current, false, now)
    case "delete":
      return current === undefined
        ? { ...nothing, expiresMillis: now }
        : { state: undefined, expiresMillis: now, answer: counted(current, false, now) }
    case "set":
      return kept({ consumed: change.points, endsMillis: endOf(change.seconds, now) }, true, now)
    default: {
      const after: Points =
        current === undefined
          ? { consumed: change.points, endsMillis: endOf(change.seconds, now) }
          : { ...current, consumed: current.consumed + change.points }
      // The first request above the points begins the block; further ones do not prolong it.
      const isBlocking =
        change.type === "consume" &&
        change.blockSeconds > 0 &&
        after.consumed > change.pointsMax &&
        after.consumed <= change.pointsMax + change.points
      const state = isBlocking ? { ...after, endsMillis: endOf(change.blockSeconds, now) } : after
      return kept(state, current === undefined, now)
    }
  }
}
