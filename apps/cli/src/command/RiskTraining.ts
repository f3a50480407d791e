/** `hypermarket risk train`: a scorer from decisions and their labels. */
import type { RiskSample } from "@hypermarket/client"
import { Instant } from "@hypermarket/core/Instant"
import { SignalKind } from "@hypermarket/risk/FraudSignal"
import { type Sample, SamplesTooFew, train, type TrainReport } from "@hypermarket/risk/RiskTrainer"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as ApiClient from "../ApiClient.ts"
import { failed, orCommandFailed } from "../CommandFailed.ts"
import * as Output from "../Output.ts"
import * as Progress from "../quickstart/Progress.ts"

const dayMillis = 86_400_000

/** Samples of one training: some hundred megabytes. Take a shorter time where there are more. */
const samplesMax = 200_000

/** The most per page of the API. */
const pageSamples = 200

/** Most labels of cards arrive within two months. */
const gapDaysDefault = 30
const gapDaysMax = 400

/** Newton's method ends after fewer steps. */
const stepsShown = 10

const toSample = (sample: RiskSample): Sample => ({
  at: Date.parse(sample.recordedAt),
  amount: sample.amount,
  features: sample.features,
  labels: sample.labels.map(({ availableAt, label }) => ({ label, availableAt: Date.parse(availableAt) }))
})

const day = (millis: number): string => DateTime.formatIsoDateUtc(DateTime.makeUnsafe(millis))
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

const inputsShown = 15

const partText = (name: string, { bad, from, samples, to }: TrainReport["trained"]): string =>
  `${name} on ${samples} decisions of ${day(from)} to ${day(to)}, ${bad} bad (${percent(bad / samples)})`

const textOf = ({ inputs, quality, tested, trained }: TrainReport, file: string): string =>
  [
    partText("trained", trained),
    partText("tested", tested),
    "",
    `finds ${percent(quality.recallAtOnePercent)} of the bad ones while it stops 1 % of the good ones`,
    `of the 100 highest scores ${percent(quality.precisionAt100)} are bad`,
    `AUC ${quality.auc.toFixed(3)}, Brier score ${quality.brier.toFixed(5)} (one probability for all: ${quality.brierOfShare.toFixed(5)})`,
    "",
    Output.columns([
      ["PREDICTED", "OBSERVED", "DECISIONS"],
      ...quality.bins.map(({ observed, predicted, samples }) => [
        percent(predicted),
        percent(observed),
        String(samples)
      ])
    ]),
    "",
    Output.columns([
      ["INPUT", "WEIGHT", "REASON"],
      ...inputs.slice(0, inputsShown).map(({ name, reason, weight }) => [name, weight.toFixed(3), reason])
    ]),
    ...(inputs.length > inputsShown ? [`and ${inputs.length - inputsShown} more inputs`] : []),
    "",
    `The scorer is in ${file}: send it as "scorer" of a rule set whose rules read "probability".`
  ].join("\n")

const instantFlag = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.withSchema(Instant))

export const command = Command.make(
  "train",
  {
    kind: Flag.Literals("kind", SignalKind.literals).pipe(
      Flag.withDescription("The kind of signals"),
      Flag.withDefault("payment")
    ),
    from: instantFlag("from", "The first instant, such as 2026-01-01T00:00:00Z"),
    to: instantFlag("to", "The instant before which decisions were made"),
    asOf: instantFlag("as-of", "Labels count that could be known at this instant; by default now").pipe(
      Flag.optional
    ),
    gapDays: Flag.Int("gap-days").pipe(
      Flag.withDescription("Days that a label takes at most; a younger decision is not known to be good"),
      Flag.withDefault(gapDaysDefault)
    ),
    output: Flag.String("output").pipe(
      Flag.withDescription("The file for the scorer"),
      Flag.withDefault("scorer.json")
    ),
    json: Output.jsonFlag
  },
  Effect.fn(
    function* ({ asOf, from, gapDays, json, kind, output, to }) {
      if (to.epochMilliseconds <= from.epochMilliseconds) return yield* failed("Expected --to after --from")
      if (gapDays < 0 || gapDays > gapDaysMax)
        return yield* failed(`Expected 0 to ${gapDaysMax} days as --gap-days`)
      const now = Option.getOrElse(asOf, () => DateTime.nowUnsafe())
      const call = ApiClient.make(yield* ApiClient.fromEnvironment)
      const progress = yield* Progress.Progress
      const span = to.epochMilliseconds - from.epochMilliseconds
      const samples: Array<Sample> = []
      let cursor: string | undefined
      do {
        const query = {
          kind,
          from: DateTime.formatIso(from),
          to: DateTime.formatIso(to),
          limit: pageSamples,
          ...(cursor === undefined ? {} : { cursor })
        }
        const page = yield* call(({ risk }, options) => risk.samples(query, options)).pipe(
          ApiClient.orCommandFailed("Reading decisions")
        )
        samples.push(...page.items.map(toSample))
        if (samples.length > samplesMax)
          return yield* failed(
            `There are more than ${samplesMax} decisions: take a shorter time between --from and --to`
          )
        // The newest come first: days between --from and --to say how much is left.
        const oldest = samples.at(-1)?.at ?? from.epochMilliseconds
        const days = Math.ceil(span / dayMillis)
        yield* progress.bar(
          "Reading days of decisions",
          page.nextCursor === null ? days : Math.floor((to.epochMilliseconds - oldest) / dayMillis),
          days
        )
        cursor = page.nextCursor ?? undefined
      } while (cursor !== undefined)
      yield* progress.step(`Training on ${samples.length} decisions`)
      const steps: Array<number> = []
      const result = train(
        samples,
        { kind, asOf: now.epochMilliseconds, gapMillis: gapDays * dayMillis },
        (iteration) => steps.push(iteration)
      )
      if (result instanceof SamplesTooFew) return yield* failed(result.message)
      yield* progress.bar("Steps of training", Math.min(steps.length, stepsShown), stepsShown)
      yield* progress.done
      const files = yield* FileSystem.FileSystem
      yield* files
        .writeFileString(output, `${JSON.stringify(result.scorer, undefined, 2)}\n`)
        .pipe(Effect.mapError(() => failed(`${output} cannot be written`)))
      yield* json
        ? Output.json({ ...result.report, file: output })
        : Console.log(textOf(result.report, output))
    },
    Effect.provide(Progress.layer),
    orCommandFailed
  )
).pipe(Command.withDescription("A scorer from decisions and their labels, tested on later ones"))
