/**
 * The vitest settings of every package: a database server for the run, a machine-readable report, a check for leaks.
 */
import { defineConfig } from "vitest/config"

/** Longer than any condition a test waits for: a guard against hanging, never a statement about speed. */
const hangGuardMillis = 300_000

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["@hypermarket/testing/globalSetup"],
    setupFiles: ["@hypermarket/testing/leakCheck"],
    reporters: ["default", ["json", { outputFile: ".reports/test.json" }]],
    maxWorkers: 2,
    silent: "passed-only",
    testTimeout: hangGuardMillis,
    hookTimeout: hangGuardMillis
  }
})
