/**
 * Checks an exposition of metrics: with `promtool check metrics` where Debian's package prometheus is installed, and by the
 * rules of the format's lines everywhere.
 */
import { assert } from "@effect/vitest"
import { spawnSync } from "node:child_process"

const promtool = spawnSync("promtool", ["--version"]).error === undefined

const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\})? \S+(?: \d+)?$/

/** A histogram's series have the name of its family and one of these. */
const suffix = /_(?:bucket|count|sum)$/

/** Fails when a line has no form of the format, a family has no help or type, or a series comes twice. */
export const check = (text: string): void => {
  const families = new Map<string, string>()
  const helped = new Set<string>()
  const series = new Set<string>()
  for (const line of text.split("\n")) {
    if (line === "") continue
    const [, kind = "", family = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? []
    if (kind === "HELP") helped.add(family)
    else if (kind === "TYPE") {
      assert.isFalse(families.has(family), `two families ${family}`)
      assert.include(["counter", "gauge", "histogram", "summary"], rest, family)
      families.set(family, rest)
    } else {
      const [, name = ""] = sample.exec(line) ?? []
      assert.notStrictEqual(name, "", `no sample: ${line}`)
      const owner = families.has(name) ? name : name.replace(suffix, "")
      assert.isTrue(families.has(owner), `${name} has no type`)
      assert.isTrue(helped.has(owner), `${name} has no help`)
      if (families.get(owner) === "counter") assert.match(name, /_total$/)
      const one = line.slice(0, line.lastIndexOf(" "))
      assert.isFalse(series.has(one), `twice: ${one}`)
      series.add(one)
    }
  }
  if (!promtool) return
  const { status, stderr, stdout } = spawnSync("promtool", ["check", "metrics"], { input: text })
  assert.strictEqual(status, 0, `${stdout}${stderr}`)
  assert.strictEqual(`${stdout}${stderr}`, "")
}
