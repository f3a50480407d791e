import { sequence } from "@hypermarket/testing/vitestConfig"
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    name: "@hypermarket/bench",
    include: ["test/**/*.test.ts"],
    setupFiles: ["@hypermarket/testing/leakCheck"],
    sequence,
    reporters: ["default", ["json", { outputFile: ".reports/test.json" }]],
    silent: "passed-only",
    // A guard against hanging; a run has its own.
    testTimeout: 300_000,
    hookTimeout: 120_000
  }
})
