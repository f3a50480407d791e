/**
 * Who runs a folder: a process is named by its pid, its start time and its pid namespace, so that a pid that was given
 * to another process later is not mistaken for the owner.
 */
import * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import { readFileSync, readlinkSync } from "node:fs"

/** The contents of an `owner.json`. */
export const Owner = Schema.fromJsonString(
  Schema.Struct({
    pid: Schema.Int,
    startedAt: Schema.String,
    namespace: Schema.String
  })
)

export type Owner = typeof Owner.Type

const attempt = <A>(f: () => A): A | undefined => {
  try {
    return f()
  } catch {
    return undefined
  }
}

const namespace = (): string =>
  attempt(() => readlinkSync("/proc/self/ns/pid")) ?? `${process.platform} without namespaces`

/** When a living process began, in whatever unit the system gives; undefined for a dead one. */
const startedAt = (pid: number): string | undefined => {
  if (process.platform === "linux") {
    const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, "utf8"))
    if (stat === undefined) return undefined
    // The second field, the command in parentheses, may hold spaces: fields are counted from behind it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    const isZombie = fields[0] === "Z"
    return isZombie ? undefined : fields[19]
  }
  const listed = spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" })
  const line = listed.stdout.trim()
  return line === "" ? undefined : line
}

export const self = (): Owner => ({
  pid: process.pid,
  startedAt: startedAt(process.pid) ?? "unknown",
  namespace: namespace()
})

export const isAlive = (pid: number): boolean => startedAt(pid) !== undefined

/** True while the very process that wrote this owner lives. */
export const isRunning = (owner: Owner): boolean => startedAt(owner.pid) === owner.startedAt

/** An owner of another pid namespace cannot be judged from here. */
export const isJudgeable = (owner: Owner): boolean => owner.namespace === namespace()

/** The working folder of a process, where the system tells it. */
export const workingDirectory = (pid: number): string | undefined =>
  attempt(() => readlinkSync(`/proc/${pid}/cwd`))

/** Sends a signal; false when the process is gone. */
export const signal = (pid: number, name: NodeJS.Signals): boolean =>
  attempt(() => process.kill(pid, name)) ?? false
