import { defineConfig } from "vitest/config"

// As `sequence` of @hypermarket/testing, which depends on this package.
const seed = process.env.HM_TEST_SEED ?? process.env.HM_TEST_DRAWN_SEED

export default defineConfig({
  test: {
    name: "@hypermarket/embedded-postgres",
    include: ["test/**/*.test.ts"],
    sequence: {
      shuffle: { files: true, tests: true },
      ...(seed === undefined ? {} : { seed: Number(seed) })
    },
    reporters: ["default", ["json", { outputFile: ".reports/test.json" }]],
    testTimeout: 120_000,
    hookTimeout: 120_000
  }
})
