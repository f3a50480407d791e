/** DuckDB, as a peer with its own lockfile. */
import * as Setup from "@hypermarket/bench/Setup"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { spawn } from "node:child_process"

const Answers = Schema.fromJsonString(Schema.Array(Schema.Struct({ millis: Schema.Array(Schema.Number) })))

/** Runs each query so many times in a database in memory; answers the milliseconds of each run. */
export const ask = (setup: ReadonlyArray<string>, queries: ReadonlyArray<string>, repeat: number) =>
  Effect.callback<string, Setup.SetupFailed>((resume) => {
    const child = spawn(process.execPath, [Setup.peerScript("duckdb.js")], {
      stdio: ["pipe", "pipe", "pipe"]
    })
    let output = ""
    let errors = ""
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (output += chunk))
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (errors += chunk))
    child.once("close", (code) =>
      resume(
        code === 0
          ? Effect.succeed(output)
          : Effect.fail(new Setup.SetupFailed({ message: `duckdb.js: ${errors}` }))
      )
    )
    child.stdin.end(JSON.stringify({ setup, queries, repeat }))
  }).pipe(Effect.flatMap(Schema.decodeEffect(Answers)))
