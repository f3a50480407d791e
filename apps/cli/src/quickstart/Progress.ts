/**
 * Progress of the quickstart, on standard error: a line that rewrites itself on a terminal, plain lines elsewhere.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export class Progress extends Context.Service<
  Progress,
  {
    /** Something began. */
    readonly step: (text: string) => Effect.Effect<void>
    /** How far it is; not more than a few lines in all where there is no terminal. */
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

const write = (text: string) => Effect.sync(() => process.stderr.write(text))

export const layer: Layer.Layer<Progress> = Layer.sync(Progress, () => {
  const isTerminal = process.stderr.isTTY === true
  let lastShare = -1
  return {
    step: (text) => {
      lastShare = -1
      return Effect.asVoid(write(isTerminal ? `${eraseLine}${text} ...` : `${text} ...\n`))
    },
    bar: (text, done, total) => {
      if (isTerminal) return Effect.asVoid(write(`${eraseLine}${text} ${drawBar(done, total)}`))
      const share = total === 0 ? 4 : Math.floor((4 * done) / total)
      if (share === lastShare) return Effect.void
      lastShare = share
      return Effect.asVoid(write(`${text} ${done}/${total}\n`))
    },
    done: isTerminal ? Effect.asVoid(write(eraseLine)) : Effect.void
  }
})
