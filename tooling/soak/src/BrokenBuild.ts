/**
 * The harness is worth nothing until it fails: it is run on a copy of the source tree in which one clause, the one that
 * gives the guarantee, is taken out.
 */
import * as PackagePrograms from "@hypermarket/testing/PackagePrograms"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Cluster from "./Cluster.ts"

const root = PackagePrograms.repository

export interface Clause {
  readonly file: string
  readonly text: string
  readonly instead: string
}

export interface Break<Rule extends string> {
  readonly clauses: ReadonlyArray<Clause>
  /** The rule that is then found broken; undefined when none may be. */
  readonly rule: Rule | undefined
  /** Arguments of `pnpm soak`, its name first, without the seed. */
  readonly args: ReadonlyArray<string>
  /** True when its processes are API and worker, which run from every package and not from that of the soak alone. */
  readonly runsApps?: boolean
}

/** A clause is not there, or there twice: the copy would prove nothing. */
export class BreakDoesNotApply extends Schema.TaggedError<BreakDoesNotApply>()("BreakDoesNotApply", {
  message: Schema.String
}) {}

/** The harness found another thing than it must, or nothing. */
export class FoundWrong extends Schema.TaggedError<FoundWrong>()("FoundWrong", {
  message: Schema.String
}) {}

const harness = ["tooling/embedded-postgres", "tooling/testing", "tooling/soak"]

/** The packages that the harness and the workers of a soak run from. */
const packagesOf = (soak: string) => {
  const folder = PackagePrograms.find("soak").find(({ name }) => name === soak)?.folder
  return ["packages/core", "packages/queue", ...(folder === undefined ? [] : [folder]), ...harness]
}

/** API and worker run from all of them. */
const everything = () => [
  ...Fs.readdirSync(Path.join(root, "packages")).map((name) => `packages/${name}`),
  ...["api", "installation", "worker"].map((name) => `apps/${name}`),
  ...harness
]

const linkAll = (from: string, to: string, own: ReadonlyMap<string, string>) => {
  Fs.mkdirSync(to, { recursive: true })
  for (const name of Fs.readdirSync(from)) {
    if (name.startsWith(".")) continue
    if (name === "@hypermarket") {
      linkAll(Path.join(from, name), Path.join(to, name), own)
      continue
    }
    const target = Fs.realpathSync(Path.join(from, name))
    Fs.symlinkSync(
      own.get(target) ?? (name.startsWith("@") ? Path.join(from, name) : target),
      Path.join(to, name)
    )
  }
}

/** Copies sources; what they import from us is the copy, everything else the installed package. */
const copyTree = (to: string, copied: ReadonlyArray<string>) => {
  const own = new Map(copied.map((name) => [Fs.realpathSync(Path.join(root, name)), Path.join(to, name)]))
  for (const name of copied) {
    const from = Path.join(root, name)
    for (const sources of ["src", "soak"]) {
      const folder = Path.join(from, sources)
      if (Fs.existsSync(folder)) Fs.cpSync(folder, Path.join(to, name, sources), { recursive: true })
    }
    Fs.cpSync(Path.join(from, "package.json"), Path.join(to, name, "package.json"))
    linkAll(Path.join(from, "node_modules"), Path.join(to, name, "node_modules"), own)
  }
}

const takeOut = (to: string, clause: Clause) =>
  Effect.suspend(() => {
    const file = Path.join(to, clause.file)
    const parts = Fs.readFileSync(file, "utf8").split(clause.text)
    if (parts.length !== 2) {
      return Effect.fail(
        new BreakDoesNotApply({
          message: `${clause.file} has this clause ${parts.length - 1} times, not once: ${clause.text}`
        })
      )
    }
    return Effect.sync(() => Fs.writeFileSync(file, parts.join(clause.instead)))
  })

const Document = Schema.fromJsonString(
  Schema.Struct({
    runs: Schema.Array(
      Schema.Struct({
        violations: Schema.Array(
          Schema.Struct({ rule: Schema.String, count: Schema.Int, example: Schema.String })
        )
      })
    )
  })
)

/** Runs the harness on the broken copy, and fails unless it finds what it must. Returns what it found. */
export const check = Effect.fn("BrokenBuild.check")(function* <Rule extends string>(
  kind: string,
  { args, clauses, rule, runsApps }: Break<Rule>,
  seed: number
) {
  const folder = yield* Cluster.temporaryFolder(`without-${kind}`)
  yield* Effect.sync(() => copyTree(folder, runsApps === true ? everything() : packagesOf(args[0] ?? "")))
  yield* Effect.forEach(clauses, (clause) => takeOut(folder, clause), { discard: true })
  const service = yield* ServiceProcess.start(
    Path.join(folder, "tooling/soak/src/main.ts"),
    [...args, "--json", "--seed", String(seed)],
    {}
  )
  const exit = yield* service.exit
  const document = yield* Schema.decodeEffect(Document)(service.output()).pipe(
    Effect.mapError(() => new FoundWrong({ message: `it ended with ${exit.code}: ${service.log()}` }))
  )
  const found = document.runs.flatMap(({ violations }) => violations)
  const isRight = rule === undefined ? found.length === 0 : found.some((violation) => violation.rule === rule)
  if (!isRight || exit.code !== (found.length === 0 ? 0 : 1)) {
    return yield* new FoundWrong({
      message: `without ${kind} the harness ended with ${exit.code} and found ${JSON.stringify(found)}`
    })
  }
  return found
}, Effect.scoped)
