/** The user that Postgres runs as, the folders that it can reach, and the errors of all parts. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"

/**
 * `unsupported_platform`: no binaries for this platform. `in_use`: a living process runs this folder.
 * `wrong_version`: the data folder belongs to another major version. `not_a_data_folder`: it holds something else.
 * `start_failed`: Postgres ended while starting; the message carries the end of its log.
 */
export class EmbeddedPostgresError extends Schema.TaggedError<EmbeddedPostgresError>()(
  "EmbeddedPostgresError",
  {
    reason: Schema.Literals([
      "unsupported_platform",
      "in_use",
      "wrong_version",
      "not_a_data_folder",
      "permission_denied",
      "start_failed"
    ]),
    message: Schema.String
  }
) {}

/**
 * Postgres refuses to run as root. Then it runs as `nobody`, whose id is the same on Debian, Alpine and Fedora, and
 * everything it touches must be reachable for `nobody`.
 */
export const nobody = 65534
export const isRoot = process.getuid?.() === 0
export const identity = isRoot ? { uid: nobody, gid: nobody } : {}
export const user = process.getuid?.() ?? 0

/** Root's own traversable folder, for binaries and data that stand below a folder of mode 700. */
const reachableFolder = "/var/tmp/hypermarket-root"

export const failure = (reason: EmbeddedPostgresError["reason"], message: string) =>
  new EmbeddedPostgresError({ reason, message })

export const attempt = <A>(evaluate: () => A) =>
  Effect.try({
    try: evaluate,
    catch: (cause) =>
      failure(
        cause instanceof Error && "code" in cause && (cause.code === "EACCES" || cause.code === "EPERM")
          ? "permission_denied"
          : "start_failed",
        cause instanceof Error ? cause.message : String(cause)
      )
  })

export const isReachable = (path: string): boolean =>
  !isRoot || spawnSync("/bin/sh", ["-c", 'test -x "$1"', "sh", path], { ...identity, cwd: "/" }).status === 0

export const makeReachableFolder = attempt(() => {
  Fs.mkdirSync(reachableFolder, { recursive: true, mode: 0o711 })
  const found = Fs.lstatSync(reachableFolder)
  if (!found.isDirectory() || found.uid !== 0 || (found.mode & 0o022) !== 0) {
    throw new Error(`${reachableFolder} is not a folder that only root can write: remove it`)
  }
  Fs.chmodSync(reachableFolder, 0o711)
  return reachableFolder
})
