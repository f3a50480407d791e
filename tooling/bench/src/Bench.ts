/**
 * The harness: a bench measures our figures and those of its peers in interleaved rounds. A file `benchmark/<name>.ts` of a
 * package exports it as `bench`.
 *
 * Targets are beside it in `<name>.targets.json`, copied from the specification. The harness computes which are met; a figure
 * without a measurement is not met.
 */
import * as PackagePrograms from "@hypermarket/testing/PackagePrograms"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { readFileSync } from "node:fs"
import { cpus, totalmem } from "node:os"

export const Figure = Schema.Struct({
  figure: Schema.String,
  unit: Schema.String,
  ours: Schema.Finite,
  peers: Schema.Record(Schema.String, Schema.Finite)
})

export type Figure = typeof Figure.Type

export interface Options {
  /** Of the full amount of work; below 1 for a quick look whose figures prove nothing. */
  readonly scale: number
  /** Each measures every engine once. */
  readonly rounds: number
  /** Names of the parts to measure; all when empty. */
  readonly only: ReadonlyArray<string>
  /** Called with the figures of each part as it ends: a run that is cut short keeps them. */
  readonly measured: (figures: ReadonlyArray<Figure>) => Effect.Effect<void>
}

/** A benchmark: its name is that of its file. */
export interface Bench {
  readonly run: (options: Options) => Effect.Effect<ReadonlyArray<Figure>, unknown, Scope.Scope>
}

/**
 * `target` bounds our own figure, `targets` the ratio ours / peer. Written as `>= 0.5` or `<= 5`.
 */
const Target = Schema.Struct({
  figure: Schema.String,
  unit: Schema.String,
  kind: Schema.Literals(["p", "s"]),
  target: Schema.optionalKey(Schema.String),
  targets: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
})

const Targets = Schema.fromJsonString(
  Schema.Struct({
    /** The server settings a run uses, beside Postgres's defaults. */
    settings: Schema.Record(Schema.String, Schema.String),
    figures: Schema.Array(Target)
  })
)

export interface Row extends Figure {
  readonly ratios: Readonly<Record<string, number>>
  readonly target?: string
  readonly targets?: Readonly<Record<string, string>>
  readonly kind: "p" | "s"
  readonly met: boolean
}

class NoSuchBench extends Schema.TaggedError<NoSuchBench>()("NoSuchBench", { message: Schema.String }) {}

/** Reads the targets of a benchmark, which are beside it. */
export const readTargets = Effect.fnUntraced(function* (name: string) {
  const program = PackagePrograms.find("benchmark").find((candidate) => candidate.name === name)
  if (program === undefined)
    return yield* new NoSuchBench({ message: `no package brings a benchmark ${name}` })
  const text = yield* Effect.try(() => readFileSync(program.file.replace(/\.ts$/, ".targets.json"), "utf8"))
  return yield* Schema.decodeEffect(Targets)(text)
})

const boundPattern = /^(>=|<=|<|>)\s*([\d.]+)$/

const holds = (value: number, bound: string): boolean => {
  const parts = boundPattern.exec(bound)
  if (parts === null) throw new TypeError(`a target is written ">= 1.5", not "${bound}"`)
  const limit = Number(parts[2])
  switch (parts[1]) {
    case ">=":
      return value >= limit
    case "<=":
      return value <= limit
    case "<":
      return value < limit
    default:
      return value > limit
  }
}

const round = (value: number): number =>
  Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))

const rowOf = (target: typeof Target.Type, measured: Figure | undefined): Row => {
  const figure = measured ?? { figure: target.figure, unit: target.unit, ours: Number.NaN, peers: {} }
  const ratios = Object.fromEntries(
    Object.entries(figure.peers).map(([peer, value]) => [peer, round(figure.ours / value)])
  )
  const own = target.target === undefined || holds(figure.ours, target.target)
  const against = Object.entries(target.targets ?? {}).every(([peer, bound]) =>
    holds(ratios[peer] ?? Number.NaN, bound)
  )
  return {
    ...figure,
    ours: round(figure.ours),
    peers: Object.fromEntries(Object.entries(figure.peers).map(([peer, value]) => [peer, round(value)])),
    ratios,
    kind: target.kind,
    ...(target.target === undefined ? {} : { target: target.target }),
    ...(target.targets === undefined ? {} : { targets: target.targets }),
    met: measured !== undefined && own && against
  }
}

export const evaluate = Effect.fn("Bench.evaluate")(function* (name: string, figures: ReadonlyArray<Figure>) {
  const { figures: targets } = yield* readTargets(name)
  const byName = new Map(figures.map((figure) => [figure.figure, figure]))
  const unknown = figures.filter(({ figure }) => !targets.some((target) => target.figure === figure))
  const untargeted = unknown.map((figure): Row =>
    rowOf({ figure: figure.figure, unit: figure.unit, kind: "s" }, figure)
  )
  return [...targets.map((target) => rowOf(target, byName.get(target.figure))), ...untargeted]
})

export const machine = (): string => {
  const [first] = cpus()
  return `${cpus().length} x ${first?.model.trim() ?? "unknown"}, ${Math.round(totalmem() / 2 ** 30)} GiB, node ${process.versions.node}`
}

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
}

export const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}

/** A line for the person who waits. */
export const say = (text: string): Effect.Effect<void> =>
  Effect.sync(() => void process.stderr.write(`${text}\n`))
