/** Public conformance data, which is beside the repository and not part of it. */
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const folder = fileURLToPath(new URL("../../../../shared/conformance/", import.meta.url))

/** The text of a file, or undefined where the data is absent. */
export const conformanceText = (path: string): string | undefined =>
  existsSync(folder + path) ? readFileSync(folder + path, "utf8") : undefined
