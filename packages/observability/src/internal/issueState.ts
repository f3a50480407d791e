/**
 * The state of an issue as its columns hold it.
 */
import * as Schema from "effect/Schema"
import type { Mute, Resolution, State } from "./lifecycle.ts"

const ResolutionJson = Schema.Struct({
  in: Schema.Literals(["now", "release", "next release"]),
  atMillis: Schema.Finite,
  release: Schema.NullOr(Schema.String),
  releaseFirstSeenMillis: Schema.NullOr(Schema.Finite)
})

const MuteJson = Schema.Struct({
  untilMillis: Schema.NullOr(Schema.Finite),
  eventsLeft: Schema.NullOr(Schema.Finite),
  window: Schema.NullOr(Schema.Struct({ events: Schema.Finite, minutes: Schema.Finite })),
  windowMillis: Schema.Array(Schema.Finite),
  escalating: Schema.Boolean
})

const decodeResolution = Schema.decodeUnknownSync(ResolutionJson)
const decodeMute = Schema.decodeUnknownSync(MuteJson)

export interface Columns {
  readonly status: string
  readonly resolution: unknown
  readonly mute: unknown
}

/** A row of ours that does not decode is a defect. */
export const decode = ({ mute, resolution, status }: Columns): State => {
  switch (status) {
    case "resolved":
      return { status, resolution: decodeResolution(resolution) }
    case "muted":
      return { status, mute: decodeMute(mute) }
    default:
      return { status: "unresolved" }
  }
}

export interface Encoded {
  readonly status: State["status"]
  readonly resolution: string | null
  readonly mute: string | null
}

export const encode = (state: State): Encoded => ({
  status: state.status,
  resolution: state.status === "resolved" ? JSON.stringify(state.resolution satisfies Resolution) : null,
  mute: state.status === "muted" ? JSON.stringify(state.mute satisfies Mute) : null
})
