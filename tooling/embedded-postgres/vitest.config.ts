import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    name: "@hypermarket/embedded-postgres",
    include: ["test/**/*.test.ts"],
    reporters: ["default", ["json", { outputFile: ".reports/test.json" }]],
    testTimeout: 120_000,
    hookTimeout: 120_000
  }
})
