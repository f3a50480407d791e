/** The processor time of a Postgres server and all its backends (Linux). */
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync } from "node:fs"

/** User and system time, of ended children too, in clock ticks of a hundredth of a second. */
const ticksOf = (
  pid: string
): { readonly parent: string; readonly own: number; readonly ended: number } | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8")
    // The command's name is in parentheses and may hold anything.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
    const at = (field: number) => Number(fields[field] ?? 0)
    return { parent: fields[1] ?? "", own: at(11) + at(12), ended: at(13) + at(14) }
  } catch {
    // It ended between the listing and the reading.
    return undefined
  }
}

/** In seconds, of the server with this process id. */
export const seconds = (postmaster: number): Effect.Effect<number> =>
  Effect.sync(() => {
    const own = ticksOf(String(postmaster))
    const children = readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(ticksOf)
      .filter((ticks) => ticks?.parent === String(postmaster))
    return (
      ((own?.own ?? 0) + (own?.ended ?? 0) + children.reduce((sum, one) => sum + (one?.own ?? 0), 0)) / 100
    )
  })
