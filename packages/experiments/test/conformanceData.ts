import { Schema } from "effect"
import * as Fs from "node:fs"
import { fileURLToPath } from "node:url"

/** Beside the repository, or where HM_CONFORMANCE_DATA says. */
const folder =
  process.env["HM_CONFORMANCE_DATA"] === undefined
    ? fileURLToPath(new URL("../../../../shared/conformance/statistics/", import.meta.url))
    : `${process.env["HM_CONFORMANCE_DATA"]}/statistics/`

/** True where the public reference data is beside the repository. It is not part of it. */
export const isPresent = (): boolean => {
  if (Fs.existsSync(folder)) return true
  process.stdout.write("conformance data is absent: statistics; its cases did not run\n")
  return false
}

export const read = <A>(name: string, schema: Schema.Codec<A, unknown>): A =>
  Schema.decodeUnknownSync(schema)(JSON.parse(Fs.readFileSync(`${folder}${name}`, "utf8")))

/** The relative error, or the absolute one beside a reference of 0. */
export const errorOf = (actual: number, expected: number): number =>
  actual === expected ? 0 : Math.abs(actual - expected) / (expected === 0 ? 1 : Math.abs(expected))
