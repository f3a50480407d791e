import { defineConfig } from "tsup"
import { app } from "@hypermarket/tsconfig/tsup"

export default defineConfig({
  ...app,
  entry: {
    ours: "src/events/ours.ts",
    workflows: "src/workflows/ours.ts",
    sleepers: "src/workflows/sleepers.ts"
  },
  outDir: ".bundle",
  splitting: false,
  clean: true
})
