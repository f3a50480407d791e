/**
 * Progress of the quickstart, on standard error: a line that rewrites itself on a terminal, plain lines elsewhere.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export class Progress extends Context.Service<
  Progress,
  {
    /** Something began. */
    readonly step: (text: string) => Effect.Effect<void>
    /** How far it is, and how long it still takes; not more than a few lines in all where there is no terminal. */
    readonly bar: (text: string, done: number, total: number) => Effect.Effect<void>
    /** Clears what is on the line. */
    readonly done: Effect.Effect<void>
  }
>()("hypermarket/quickstart/Progress") {}

const barWidth = 24
const eraseLine = "\r\u001b[2K"

const drawBar = (done: number, total: number): string => {
  const filled = total === 0 ? barWidth : Math.round((barWidth * done) / total)
  return `${"#".repeat(filled)}${".".repeat(barWidth - filled)} ${done}/${total}`
}

/** A rate that was measured over less is chance. */
const measuredMillisMin = 2_000

/** The seconds that a step still takes at its rate until now; empty until there is one, and at the end. */
export const leftOf = (step: {
  readonly elapsedMillis: number
  /** How much was done when the time began. */
  readonly first: number
  readonly done: number
  readonly total: number
}): string => {
  const { done, elapsedMillis, first, total } = step
  if (elapsedMillis < measuredMillisMin || done <= first || done >= total) return ""
  return `, about ${Math.ceil((elapsedMillis * (total - done)) / (done - first) / 1_000)} s left`
}

const write = (text: string) => Effect.sync(() => process.stderr.write(text))

export const layer: Layer.Layer<Progress> = Layer.sync(Progress, () => {
  const isTerminal = process.stderr.isTTY === true
  let lastShare = -1
  let current = { text: "", first: 0, startedAt: 0 }
  return {
    step: (text) => {
      lastShare = -1
      return Effect.asVoid(write(isTerminal ? `${eraseLine}${text} ...` : `${text} ...\n`))
    },
    bar: (text, done, total) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        if (text !== current.text) current = { text, first: done, startedAt: now }
        const left = leftOf({ elapsedMillis: now - current.startedAt, first: current.first, done, total })
        if (isTerminal) return Effect.asVoid(write(`${eraseLine}${text} ${drawBar(done, total)}${left}`))
        const share = total === 0 ? 4 : Math.floor((4 * done) / total)
        if (share === lastShare) return Effect.void
        lastShare = share
        return Effect.asVoid(write(`${text} ${done}/${total}${left}\n`))
      }),
    done: isTerminal ? Effect.asVoid(write(eraseLine)) : Effect.void
  }
})
