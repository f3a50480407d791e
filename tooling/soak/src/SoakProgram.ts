/**
 * The program of every soak: its options and usage, its seeds, and how it ends. It ends with 1 when a rule was broken; with
 * `--break`, when the broken build did not do what it must; with 2 when an option is wrong.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { parseArgs } from "node:util"
import * as Report from "./Report.ts"
import * as Run from "./Run.ts"

export class UsageWrong extends Schema.TaggedError<UsageWrong>()("UsageWrong", { message: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 2
}

export class SoakFailed extends Schema.TaggedError<SoakFailed>()("SoakFailed", {
  seeds: Schema.Array(Schema.Int)
}) {
  // The lines of the runs have said it.
  override readonly [Runtime.errorReported] = false
}

/** A number that sets the extent of a run. */
export interface Size<Mode extends string> {
  /** A mode may have its own default. */
  readonly default: number | Readonly<Record<Mode, number>>
  /** Without it, 1: a run of nothing would pass. */
  readonly min?: number
}

export interface Soak<Name extends string, Mode extends string, Kind extends string> {
  /** `pnpm soak <name>`. */
  readonly name: string
  readonly modes?: {
    /** @default "mode" */
    readonly option?: string
    readonly values: readonly [Mode, ...ReadonlyArray<Mode>]
    /** One line of the usage per mode that its name does not explain. */
    readonly about?: Readonly<Partial<Record<Mode, string>>>
  }
  readonly sizes: Readonly<Record<Name, Size<Mode>>>
  /** Builds in which one guarantee is taken out: `--break`. Fails unless its run finds what it must. */
  readonly breaks?: {
    readonly kinds: ReadonlyArray<Kind>
    readonly check: (
      kind: Kind,
      seed: number,
      size: Readonly<Record<Name, number>>
    ) => Effect.Effect<ReadonlyArray<Report.Violation>, unknown, Scope.Scope>
  }
  readonly run: (
    seed: number,
    size: Readonly<Record<Name, number>>,
    mode: Mode
  ) => Effect.Effect<Report.Report, unknown, Scope.Scope>
}

export interface Options<Name extends string, Mode extends string, Kind extends string> {
  readonly runs: number
  readonly seed: number
  readonly mode: Mode | undefined
  readonly size: Readonly<Record<Name, number>>
  readonly broken: Kind | undefined
  readonly json: boolean
}

/** Seeds of one generator have 32 bits. */
const seedMax = 2 ** 32 - 1
const countMax = 1_000_000_000

const isOneOf = <A extends string>(values: ReadonlyArray<A>, value: string): value is A =>
  values.some((known) => known === value)

const keysOf = <Name extends string>(record: Readonly<Record<Name, unknown>>): ReadonlyArray<Name> =>
  Object.keys(record).filter((name): name is Name => Object.hasOwn(record, name))

/** Returns the line that shows every option of a soak, and a line for each mode that needs one. */
export const usageOf = <Name extends string, Mode extends string, Kind extends string>(
  soak: Soak<Name, Mode, Kind>
): string => {
  const { breaks, modes, name, sizes } = soak
  const line = [
    `pnpm soak ${name}`,
    ...(modes === undefined ? [] : [`[--${modes.option ?? "mode"} ${modes.values.join("|")}]`]),
    "[--runs N] [--seed S]",
    ...Object.keys(sizes).map((size) => `[--${size} N]`),
    ...(breaks === undefined ? [] : [`[--break ${breaks.kinds.join("|")}]`]),
    "[--json]"
  ].join(" ")
  const about = Object.entries(modes?.about ?? {}).map(([mode, text]) => `  ${mode}: ${text}`)
  return [line, ...about].join("\n")
}

/** Reads the options of a soak; a wrong one is refused by its name. */
export const read = <Name extends string, Mode extends string, Kind extends string>(
  soak: Soak<Name, Mode, Kind>,
  args: ReadonlyArray<string>
): Effect.Effect<Options<Name, Mode, Kind>, UsageWrong> => {
  const { breaks, modes, sizes } = soak
  const modeOption = modes?.option ?? "mode"
  const refuse = (message: string) => new UsageWrong({ message: `${usageOf(soak)}\n${message}` })
  const names = ["runs", "seed", modeOption, "break", ...Object.keys(sizes)]
  return Effect.gen(function* () {
    const { values } = yield* Effect.try({
      try: () =>
        parseArgs({
          args: [...args],
          options: {
            ...Object.fromEntries(names.map((name) => [name, { type: "string" as const }])),
            json: { type: "boolean", default: false }
          }
        }),
      catch: (cause) => refuse(cause instanceof Error ? cause.message : String(cause))
    })
    const given: Readonly<Record<string, string | boolean | undefined>> = values
    const textOf = (name: string): string | undefined => {
      const value = given[name]
      return typeof value === "string" ? value : undefined
    }
    const integerOf = (name: string, fallback: number, min: number, max: number) => {
      const text = textOf(name)
      if (text === undefined) return Effect.succeed(fallback)
      const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
      return value >= min && value <= max
        ? Effect.succeed(value)
        : Effect.fail(refuse(`--${name}: expected an integer from ${min} to ${max}, got ${text}`))
    }
    const oneOf = <A extends string>(name: string, known: ReadonlyArray<A>, fallback: A | undefined) => {
      const text = textOf(name)
      if (text === undefined) return Effect.succeed(fallback)
      return isOneOf(known, text)
        ? Effect.succeed(text)
        : Effect.fail(refuse(`--${name}: expected ${known.join(" or ") || "no such option"}, got ${text}`))
    }
    const runs = yield* integerOf("runs", 1, 1, countMax)
    const seed = yield* integerOf("seed", process.pid, 0, seedMax)
    const mode = yield* oneOf(modeOption, modes?.values ?? [], modes?.values[0])
    const broken = yield* oneOf("break", breaks?.kinds ?? [], undefined)
    const size: Partial<Record<Name, number>> = {}
    for (const name of keysOf(sizes)) {
      const { default: usual, min = 1 } = sizes[name]
      const fallback = typeof usual === "number" ? usual : mode === undefined ? min : usual[mode]
      size[name] = yield* integerOf(name, fallback, min, countMax)
    }
    return {
      runs,
      seed,
      mode,
      broken,
      json: given["json"] === true,
      // Every name has been set.
      size: size as Readonly<Record<Name, number>>
    }
  })
}

/** A soak whose options are still to be read. */
export interface Program {
  readonly name: string
  readonly usage: string
  readonly run: (args: ReadonlyArray<string>) => Effect.Effect<void, unknown, Scope.Scope>
}

export const make = <Name extends string, Mode extends string = never, Kind extends string = never>(
  soak: Soak<Name, Mode, Kind>
): Program => {
  const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
    const { broken, json, mode, runs, seed: first, size } = yield* read(soak, args)
    if (broken !== undefined && soak.breaks !== undefined) {
      const found = yield* soak.breaks.check(broken, first, size)
      const text = found.map(({ count, rule }) => `${rule} x${count}`).join(", ")
      return yield* Console.log(
        `without ${broken} the run finds: ${text === "" ? "nothing" : text}, as it must`
      )
    }
    const reports: Array<Report.Report> = []
    for (let n = 0; n < runs; n++) {
      const seed = first + n
      const choice = mode === undefined ? "" : ` --${soak.modes?.option ?? "mode"} ${mode}`
      yield* Run.say(`run ${n + 1} of ${runs},${choice} --seed ${seed}`)
      // Without modes the parameter has the type never, and no run reads it.
      const report = yield* soak.run(seed, size, mode as Mode)
      reports.push(report)
      yield* Run.say(Report.lineOf(report))
    }
    const failed = reports.filter(({ ok }) => !ok)
    yield* json
      ? Console.log(JSON.stringify({ ...(mode === undefined ? {} : { mode }), size, runs: reports }, null, 2))
      : Console.log(`${reports.length - failed.length} of ${reports.length} runs kept every promise`)
    if (failed.length > 0) return yield* new SoakFailed({ seeds: failed.map(({ seed }) => seed) })
  })
  return { name: soak.name, usage: usageOf(soak), run }
}

/** Fails with the options of every soak: the name of none was asked for. */
export const refuse = (programs: ReadonlyArray<Program>): Effect.Effect<never, UsageWrong> =>
  Effect.fail(new UsageWrong({ message: programs.map(({ usage }) => usage).join("\n") }))
