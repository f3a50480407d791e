/** The checkpoints whose rows retention has dropped, by the entries that name them. */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { activityKeepDaysMin } from "../PlatformSettings.ts"
import type { LogRow } from "./leaf.ts"

/** The action of the entry that retention leaves. */
export const droppedAction = "activity.dropped"

const keptMillisMin = activityKeepDaysMin * 86_400_000

/** `checkpoints` has the first and the last number of each range. */
const Entry = Schema.fromJsonString(
  Schema.Struct({
    after: Schema.Struct({ checkpoints: Schema.Array(Schema.Tuple([Schema.Int, Schema.Int])) })
  })
)
const decodeEntry = Schema.decodeUnknownOption(Entry)

/** Returns the id of the newest entry that names a checkpoint, and is as much later as an entry must be. */
export const make = (entries: ReadonlyArray<LogRow>) => {
  const named = entries.toReversed().flatMap((row) =>
    Option.match(decodeEntry(row.detail), {
      onNone: () => [],
      onSome: ({ after }) => [
        {
          activityId: row.activityId,
          recordedAtMillis: Date.parse(row.recordedAt),
          ranges: after.checkpoints
        }
      ]
    })
  )
  return (checkpoint: { readonly number: number; readonly sealedAt: string }): string | undefined => {
    const youngestMillis = Date.parse(checkpoint.sealedAt) + keptMillisMin
    return named.find(
      ({ ranges, recordedAtMillis }) =>
        recordedAtMillis >= youngestMillis &&
        ranges.some(([first, last]) => first <= checkpoint.number && checkpoint.number <= last)
    )?.activityId
  }
}
