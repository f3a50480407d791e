/** A command run to its end: its exit code and what it wrote. */
import * as Effect from "effect/Effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import * as Stream from "effect/Stream"

export interface Finished {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface Options {
  readonly cwd: string
  /** The whole environment; by default the own one. */
  readonly env?: Readonly<Record<string, string>>
}

export const run = Effect.fn("Command.run")(function* (
  command: string,
  args: ReadonlyArray<string>,
  options: Options
) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const handle = yield* spawner.spawn(
    ChildProcess.make(command, args, {
      cwd: options.cwd,
      env: options.env ?? {},
      extendEnv: options.env === undefined,
      stdin: "ignore"
    })
  )
  const [stdout, stderr, code] = yield* Effect.all(
    [
      Stream.mkString(Stream.decodeText(handle.stdout)),
      Stream.mkString(Stream.decodeText(handle.stderr)),
      handle.exitCode
    ],
    { concurrency: "unbounded" }
  )
  const finished: Finished = { code, stdout, stderr }
  return finished
}, Effect.scoped)
