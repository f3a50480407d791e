import shared from "@hypermarket/testing/vitestConfig"
import { mergeConfig } from "vitest/config"

export default mergeConfig(
  { ...shared, test: { ...shared.test, include: [] } },
  { test: { include: ["*.test.ts"] } }
)
