/** `pnpm soak notifications`. `--break sending` takes out the commit of `sending`. */
import * as SoakProgram from "@hypermarket/soak/SoakProgram"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as NotificationRun from "./notifications/NotificationRun.ts"

class FoundWrong extends Schema.TaggedError<FoundWrong>()("FoundWrong", { message: Schema.String }) {}

/** Without the commit of `sending`, messages must be seen to be sent twice without a count. */
const check = Effect.fnUntraced(function* (seed: number, size: Omit<NotificationRun.Size, "marksSending">) {
  const { violations } = yield* NotificationRun.run(seed, { ...size, marksSending: false })
  if (violations.some(({ rule }) => rule === "sent_twice_uncounted")) return violations
  return yield* new FoundWrong({ message: `without sending the run found ${JSON.stringify(violations)}` })
})

export const program = SoakProgram.make({
  name: "notifications",
  sizes: { mails: { default: 10_000 }, incidents: { default: 20, min: 0 }, workers: { default: 2 } },
  breaks: { kinds: ["sending"], check: (_, seed, size) => check(seed, size) },
  run: (seed, size) => NotificationRun.run(seed, { ...size, marksSending: true })
})
