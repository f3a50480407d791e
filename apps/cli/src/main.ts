#!/usr/bin/env node
/**
 * The entry of the command `hypermarket`. It imports nothing before it knows that this Node can run the rest: an older one
 * would end with a stack trace of a module that it cannot read.
 */
import manifest from "../package.json" with { type: "json" }

/** Of a version such as 22.19.0. */
const numbersOf = (version: string): readonly [major: number, minor: number] => {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  return [major, minor]
}

const needed = manifest.engines.node.replace(">=", "")
const [neededMajor, neededMinor] = numbersOf(needed)
const [major, minor] = numbersOf(process.versions.node)
const args = process.argv.slice(2)

if (major < neededMajor || (major === neededMajor && minor < neededMinor)) {
  process.stderr.write(`hypermarket needs Node ${needed} or newer; this is ${process.versions.node}\n`)
  process.exitCode = 1
} else if (args.length === 1 && args[0] === "--version") {
  process.stdout.write(`hypermarket v${manifest.version}\n`)
} else {
  const { run } = await import("./hypermarket.ts")
  run(args, manifest.version)
}
