import { defineConfig } from "tsup"
import { app } from "@hypermarket/tsconfig/tsup"

export default defineConfig({
  ...app,
  entry: {
    ours: "benchmark/events/ours.ts",
    workflows: "benchmark/workflows/ours.ts",
    sleepers: "benchmark/workflows/sleepers.ts"
  },
  outDir: ".bundle",
  splitting: false,
  clean: true
})
