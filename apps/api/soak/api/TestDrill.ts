/** Drills that are tests of their packages, run together on a server of production durability. */
import * as Command from "@hypermarket/testing/Command"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Path from "node:path"

const root = Path.resolve(import.meta.dirname, "../../../..")

/** Test files of one package. */
interface Suite {
  readonly folder: string
  readonly files: ReadonlyArray<string>
}

/** The {@link faults} as the usage names them. */
export const faultsTried =
  "slow and withheld bodies; a database that is read-only, locked, on a full disk or out of connections; a log on a full disk (ENOSPC) or without a reader (EPIPE); clock skew; requests in flight at SIGTERM; tenants that ask long questions"

const faults: ReadonlyArray<Suite> = [
  { folder: "apps/api", files: ["Bodies", "ClockSkew", "Faults", "LongRequests", "Stopping"] }
]

/** One bad row of each kind in every loop over all tenants. */
const poison: ReadonlyArray<Suite> = [
  { folder: "packages/analytics", files: ["Poison"] },
  { folder: "packages/core", files: ["EachTenant"] },
  { folder: "packages/events", files: ["ScheduleTick", "WebhookPoison", "WorkflowPoison"] },
  { folder: "packages/experiments", files: ["Poison", "PlannedLooks"] },
  { folder: "packages/notifications", files: ["Poison", "FactHandlers"] },
  { folder: "packages/observability", files: ["Poison", "HostileUploads"] },
  { folder: "packages/platform", files: ["Poison", "FlagChangeRequests"] },
  { folder: "packages/queue", files: ["WorkQueueFailures", "WorkQueueRejections"] },
  { folder: "packages/quotas", files: ["Poison", "TenantQuotas"] },
  { folder: "packages/risk", files: ["Poison"] },
  { folder: "packages/search", files: ["Poison"] }
]

/** Generated requests with a hostile value each. */
const fuzz: ReadonlyArray<Suite> = [{ folder: "apps/api", files: ["Hostile"] }]

export interface Report {
  readonly suites: number
  readonly failures: ReadonlyArray<string>
}

/** Longest part of a failed run that is reported: its end names the tests. */
const outputLengthMax = 4_000

/** Runs the suites one after the other. */
const run = Effect.fn("TestDrill.run")(function* (
  databaseUrl: string,
  suites: ReadonlyArray<Suite>,
  settings: Readonly<Record<string, string>> = {}
) {
  const failures: Array<string> = []
  for (const { files, folder } of suites) {
    const { code, stderr, stdout } = yield* Command.run(
      "npx",
      ["vitest", "run", ...files.map((file) => `test/${file}.test.ts`)],
      {
        cwd: Path.join(root, folder),
        env: {
          PATH: `${root}/node_modules/.bin:${process.env["PATH"] ?? ""}`,
          HOME: process.env["HOME"] ?? "",
          HM_TEST_DATABASE_URL: databaseUrl,
          ...settings
        }
      }
    )
    if (code !== 0) failures.push(`${folder}: ${`${stdout}${stderr}`.slice(-outputLengthMax)}`)
  }
  return { suites: suites.length, failures } satisfies Report
}, Effect.provide(NodeServices.layer))

/** The drills that are tests, by name. Generated requests come from the seed. */
export const drills = (requests: number, seed: number) => ({
  faults: (url: string) => outcomeOf(run(url, faults)),
  poison: (url: string) => outcomeOf(run(url, poison)),
  fuzz: (url: string) =>
    outcomeOf(run(url, fuzz, { HM_HOSTILE_REQUESTS: String(requests), HM_HOSTILE_SEED: String(seed) }))
})

const outcomeOf = <E, R>(report: Effect.Effect<Report, E, R>) =>
  Effect.map(report, ({ failures, suites }) => ({ counts: { suites }, failures }))
