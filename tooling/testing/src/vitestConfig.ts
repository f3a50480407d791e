/**
 * The vitest settings of every package: a database server for the run, tests in random order, a machine-readable report, a
 * check for leaks.
 */
import { defineConfig } from "vitest/config"

/** Longer than any condition a test waits for: a guard against hanging, never a statement about speed. */
const hangGuardMillis = 300_000

/** `pnpm test` sets one of them; without either, vitest draws a seed and prints it. */
const seed = process.env.HM_TEST_SEED ?? process.env.HM_TEST_DRAWN_SEED

/** Files and their tests run in random order, so that no test can depend on what another one leaves. */
export const sequence = {
  shuffle: { files: true, tests: true },
  ...(seed === undefined ? {} : { seed: Number(seed) })
}

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["@hypermarket/testing/globalSetup"],
    setupFiles: ["@hypermarket/testing/leakCheck"],
    reporters: ["default", ["json", { outputFile: ".reports/test.json" }]],
    sequence,
    maxWorkers: 2,
    // The files of a worker share the modules they import: loading them for each file took half of the processor time of a run.
    isolate: false,
    // `pnpm test` names each test that passes at its second attempt only.
    retry: 1,
    silent: "passed-only",
    testTimeout: hangGuardMillis,
    hookTimeout: hangGuardMillis
  }
})
