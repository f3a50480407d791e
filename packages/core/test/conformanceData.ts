/** Public conformance data, which is beside the repository and not part of it. */
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const folder = fileURLToPath(new URL("../../../../shared/conformance/", import.meta.url))

/** The text of a file of the data, or undefined with a line that names what is missing. */
export const conformanceText = (path: string): string | undefined => {
  if (existsSync(folder + path)) return readFileSync(folder + path, "utf8")
  process.stdout.write(`conformance data is absent: ${path}; its cases did not run\n`)
  return undefined
}

export const report = (name: string, ran: number, refused: number): void => {
  process.stdout.write(`conformance ${name}: ${ran} cases passed, ${refused} refused by design\n`)
}
