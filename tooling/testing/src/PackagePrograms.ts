/**
 * The benchmarks and soaks that packages bring, found by path. `packages/search/benchmark/search.ts` is the benchmark `search`;
 * its parts are in the folder `packages/search/benchmark/search`.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"

export const repository = Path.resolve(import.meta.dirname, "../../..")

export type Kind = "benchmark" | "soak"

export interface Program {
  readonly name: string
  /** The folder of its package, such as `packages/search`. */
  readonly folder: string
  readonly file: string
}

/** The programs that an argument names, or a package that brings none. */
export type Choice =
  | { readonly _tag: "Programs"; readonly programs: readonly [Program, ...ReadonlyArray<Program>] }
  | { readonly _tag: "BringsNone"; readonly folder: string }
  | { readonly _tag: "Unknown" }

const parents = ["packages", "apps"]

/** Returns the programs of all packages, sorted by name. Two of one name are a mistake, and thrown. */
export const find = (kind: Kind, root = repository): ReadonlyArray<Program> => {
  const programs = parents
    .flatMap((parent) => Fs.globSync(`${parent}/*/${kind}/*.ts`, { cwd: root }))
    .map((file) => ({
      name: Path.basename(file, ".ts"),
      folder: file.split(Path.sep).slice(0, 2).join("/"),
      file: Path.join(root, file)
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const twice = programs.find(({ name }, index) => programs[index + 1]?.name === name)
  if (twice !== undefined) throw new Error(`two packages bring a ${kind} ${twice.name}`)
  return programs
}

/**
 * Returns the program of a name, or else those of the package of that name: `events` is one benchmark, and `platform` the two
 * of its package.
 */
export const choose = (kind: Kind, name: string, root = repository): Choice => {
  const all = find(kind, root)
  const named = all.find((program) => program.name === name)
  if (named !== undefined) return { _tag: "Programs", programs: [named] }
  const folder = /^[a-z][a-z-]*$/.test(name)
    ? parents
        .map((parent) => `${parent}/${name}`)
        .find((path) => Fs.existsSync(Path.join(root, path, "package.json")))
    : undefined
  if (folder === undefined) return { _tag: "Unknown" }
  const [first, ...rest] = all.filter((program) => program.folder === folder)
  return first === undefined
    ? { _tag: "BringsNone", folder }
    : { _tag: "Programs", programs: [first, ...rest] }
}

/** Returns the sentence about a package that brings none. It is no mistake: a script may ask every package. */
export const noneOf = (kind: Kind, folder: string): string =>
  `${folder} brings no ${kind}: a file ${folder}/${kind}/<name>.ts would be one.`
