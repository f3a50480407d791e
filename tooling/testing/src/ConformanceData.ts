/**
 * Public conformance data of other projects. It is no part of the repository: it is in the folder of `HM_CONFORMANCE_DATA`, else
 * in `../shared/conformance` beside the checkout. Tests say which of it is absent.
 */
import { existsSync, readFileSync } from "node:fs"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"

const beside = fileURLToPath(new URL("../../../../shared/conformance", import.meta.url))

/** The place of a file or folder of the data, or undefined after a line that names what is absent. */
export const find = (path: string): string | undefined => {
  const place = resolve(process.env["HM_CONFORMANCE_DATA"] ?? beside, path)
  if (existsSync(place)) return place
  process.stdout.write(`conformance data is absent: ${path}; its cases did not run\n`)
  return undefined
}

/** The text of a file of the data, or undefined after a line that names what is absent. */
export const text = (path: string): string | undefined => {
  const place = find(path)
  return place === undefined ? undefined : readFileSync(place, "utf8")
}

/** Prints how many cases of a suite ran. */
export const report = (name: string, ran: number, refused = 0): void => {
  process.stdout.write(
    `conformance ${name}: ${ran} cases passed${refused === 0 ? "" : `, ${refused} refused by design`}\n`
  )
}
