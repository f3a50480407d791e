/** Our processes of `bench events` and `bench workflows`, bundled as the apps are: types are not stripped, nor sources held, at run time. */
import * as Setup from "@hypermarket/bench/Setup"
import * as Path from "node:path"

const folder = Path.resolve(import.meta.dirname, "../..")

/** The script of a process, once it is bundled. */
export const scriptOf = (name: "ours" | "workflows" | "sleepers"): string =>
  Path.join(folder, ".bundle", `${name}.js`)

export const bundle = Setup.command(
  Path.join(folder, "node_modules/.bin/tsup"),
  ["--config", "benchmark/events/tsup.config.ts"],
  folder
)
