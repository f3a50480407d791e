/**
 * Records the quickstart's screen as a picture: runs it in an empty folder, and writes what it printed to `docs/quickstart.svg`.
 * `pnpm recording`, when the screen has changed.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Main from "@hypermarket/core/Main"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Path from "node:path"
import * as Command from "./Command.ts"

class RecordingFailed extends Schema.TaggedError<RecordingFailed>()("RecordingFailed", {
  message: Schema.String
}) {
  override readonly [Runtime.errorExitCode] = 1
}

const root = Path.resolve(import.meta.dirname, "../../..")
const prompt = "$ npx -y pnpm@12.21.0 quickstart"

const columns = 122
const characterWidth = 7.83
const lineHeight = 18
const padding = 18
const barHeight = 30
/** Seconds between two lines: fast enough to watch, slow enough to see an order. */
const lineDelay = 0.06

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

/** Labels are bright, commands green, all else plain. */
const styleOf = (line: string): string =>
  line === prompt || /^ {2}(?:hm|\.) /.test(line) ? "c" : line.startsWith("  ") ? "p" : "h"

const lineOf = (line: string, index: number): string => {
  const y = barHeight + padding + (index + 0.7) * lineHeight
  const [label = ""] = /^ {2}[A-Z][a-z]+(?= {2,})/.exec(line) ?? []
  const text = `${label === "" ? "" : `<tspan class="h">${label}</tspan>`}${escaped(line.slice(label.length))}`
  const delay = (index * lineDelay).toFixed(2)
  return `<text class="${styleOf(line)}" x="${padding}" y="${y}" style="animation-delay:${delay}s">${text}</text>`
}

/** A window with the lines, which appear one after another where motion is wanted. */
export const picture = (lines: ReadonlyArray<string>): string => {
  const width = Math.ceil(2 * padding + columns * characterWidth)
  const height = Math.ceil(barHeight + 2 * padding + lines.length * lineHeight)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="The quickstart's screen in a terminal">
<style>
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre;fill:#c9d1d9}
.h{fill:#fff;font-weight:600}.c{fill:#7ee787}
@media (prefers-reduced-motion:no-preference){text{opacity:0;animation:show .2s forwards}@keyframes show{to{opacity:1}}}
</style>
<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>
${["#ff5f57", "#febc2e", "#28c840"].map((fill, index) => `<circle cx="${padding + index * 20}" cy="${barHeight / 2 + 4}" r="6" fill="${fill}"/>`).join("")}
${lines.map(lineOf).join("\n")}
</svg>
`
}

/** The password of a Postgres that is gone means nothing to a reader. */
const withoutPassword = (line: string): string => line.replace(/(postgres:\/\/postgres:)[0-9a-f]+@/, "$1...@")

const program = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "hm-recording-" })
  // Postgres does not run as root, and is in there.
  yield* fs.chmod(folder, 0o755)
  const script = Path.join(root, "apps/cli/src/main.ts")
  const { code, stderr, stdout } = yield* Command.run("node", [script, "quickstart", "--exit"], {
    cwd: folder
  })
  if (code !== 0) return yield* new RecordingFailed({ message: stderr })
  const lines = [prompt, ...stdout.trimEnd().split("\n").map(withoutPassword)]
  yield* fs.writeFileString(Path.join(root, "docs/quickstart.svg"), picture(lines))
})

if (import.meta.main) Main.run(program.pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
