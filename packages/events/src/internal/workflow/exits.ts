/** Results of activities, signals and executions as the text that is stored. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Workflow from "effect/workflow/Workflow"

/** A result whose success and error are encoded already. */
const exitOf = <Defect extends Schema.Codec<unknown, Schema.Json>>(defect: Defect) =>
  Schema.fromJsonString(Schema.toCodecJson(Schema.Exit(Schema.Json, Schema.Json, defect)))

const ofActivity = exitOf(Schema.toCodecJson(Schema.Defect()))
/** The engine encodes the defects of a signal, and leaves those of an activity. */
const ofSignal = exitOf(Schema.Json)

/** `undefined` is null in JSON. */
const withNulls = (exit: Exit.Exit<unknown, unknown>): Exit.Exit<unknown, unknown> =>
  Exit.mapBoth(exit, { onSuccess: (value) => value ?? null, onFailure: (error) => error ?? null })

const encodeActivityUnknown = Schema.encodeUnknownEffect(ofActivity)
const encodeSignalUnknown = Schema.encodeUnknownEffect(ofSignal)
const decodeActivityText = Schema.decodeEffect(ofActivity)
const decodeSignalText = Schema.decodeEffect(ofSignal)

/** Encodes the result of an activity. One that is not JSON is a defect of its workflow. */
export const encodeActivity = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<string> =>
  Effect.orDie(encodeActivityUnknown(withNulls(exit)))

export const decodeActivity = (text: string): Effect.Effect<Exit.Exit<unknown, unknown>> =>
  Effect.orDie(decodeActivityText(text))

/** Encodes the result of a signal, whose defects are JSON already. */
export const encodeSignal = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<string> =>
  Effect.orDie(encodeSignalUnknown(withNulls(exit)))

export const decodeSignal = (text: string): Effect.Effect<Exit.Exit<unknown, unknown>> =>
  Effect.orDie(decodeSignalText(text))

export const outcomeOf = (exit: Exit.Exit<unknown, unknown>): "succeeded" | "failed" =>
  Exit.isSuccess(exit) ? "succeeded" : "failed"

interface Codec {
  readonly encodePayload: (payload: object) => Effect.Effect<string>
  readonly decodePayload: (text: string) => Effect.Effect<object>
  readonly encodeResult: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<string>
  readonly decodeResult: (text: string) => Effect.Effect<Exit.Exit<unknown, unknown>>
}

const codecs = new WeakMap<Workflow.Any, Codec>()

/** The engine's interface erases the services of a workflow's schemas: the fiber that calls the engine has them. */
const provided = <A>(self: Effect.Effect<A, unknown, unknown>): Effect.Effect<A> =>
  Effect.orDie(self) as Effect.Effect<A>

const make = (workflow: Workflow.Any): Codec => {
  const payload = Schema.fromJsonString(Schema.toCodecJson(workflow.payloadSchema))
  const result = Schema.fromJsonString(
    Schema.toCodecJson(Schema.Exit(workflow.successSchema, workflow.errorSchema, Schema.Defect()))
  )
  const encodePayload = Schema.encodeUnknownEffect(payload)
  const decodePayload = Schema.decodeUnknownEffect(payload)
  const encodeResult = Schema.encodeUnknownEffect(result)
  const decodeResult = Schema.decodeUnknownEffect(result)
  return {
    encodePayload: (value) => provided(encodePayload(value)),
    decodePayload: (text) => provided(Effect.map(decodePayload(text), (value) => Object(value))),
    encodeResult: (exit) => provided(encodeResult(exit)),
    decodeResult: (text) => provided(decodeResult(text))
  }
}

/** Returns the codec of a workflow's payload and result. */
export const codecOf = (workflow: Workflow.Any): Codec => {
  const existing = codecs.get(workflow)
  if (existing !== undefined) return existing
  const codec = make(workflow)
  codecs.set(workflow, codec)
  return codec
}
