/**
 * Runs the checks of an installation. The command `hypermarket doctor` and the system operations of the API share it.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type * as Check from "./Check.ts"
import type * as Domain from "./Domain.ts"
import * as FailureText from "./FailureText.ts"
import * as Migrations from "./Migrations.ts"

/**
 * A finding with the check that has made it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Line extends Check.Finding {
  readonly domain: string
  readonly check: string
}

const schemaLine = (finding: Check.Finding): Line => ({ domain: "core", check: "schema", ...finding })

/**
 * Returns what a comparison of the database with the code finds. A missing table would fail every check behind it: one that
 * fails comes alone.
 *
 * @category running
 * @since 0.1.0
 */
export const schemaFinding = ({ newer, pending }: Migrations.Examination): Line => {
  if (pending.length > 0) {
    return schemaLine({
      status: "fail",
      message: `${pending.length} migrations are pending`,
      hint: "run `hypermarket migrate`"
    })
  }
  const newerText = Migrations.newerText(newer)
  return newerText === undefined
    ? schemaLine({ status: "ok", message: "every migration is applied" })
    : schemaLine({
        status: "warn",
        message: newerText,
        hint: "this release works with it; replace it when the upgrade is over"
      })
}

/** A check that takes longer is waited for no longer. It reads catalogues and a few rows. */
const checkTimeout: Duration.Input = "10 seconds"

/** Checks that run at the same time: a few, as they share the pool with requests. */
const concurrency = 3

const broken = (domain: string, check: string, reason: string): ReadonlyArray<Line> => [
  { domain, check, status: "fail", message: `the check did not end: ${reason}`, hint: "see the log" }
]

/** Runs one check. One that fails or hangs is a finding, and the others run. */
const linesOf = (
  domain: string,
  check: Check.Check
): Effect.Effect<ReadonlyArray<Line>, never, SqlClient.SqlClient> =>
  check.run.pipe(
    Effect.map((findings) => findings.map((finding): Line => ({ domain, check: check.name, ...finding }))),
    Effect.timeoutOrElse({
      duration: checkTimeout,
      orElse: () => Effect.succeed(broken(domain, check.name, "it took more than 10 seconds"))
    }),
    Effect.catchCause((cause) =>
      Effect.as(
        Effect.logWarning(`The check ${domain}: ${check.name} failed`, cause),
        broken(domain, check.name, FailureText.reasonOf(cause))
      )
    )
  )

/**
 * Runs the checks of the process and of every domain, in their order.
 *
 * @category running
 * @since 0.1.0
 */
export const run = (
  checks: ReadonlyArray<Check.Check>,
  domains: ReadonlyArray<Pick<Domain.Any, "name" | "checks">>
): Effect.Effect<ReadonlyArray<Line>, never, SqlClient.SqlClient> =>
  Effect.forEach(
    [
      ...checks.map((check) => ({ domain: "core", check })),
      ...domains.flatMap(({ checks: own, name }) => own.map((check) => ({ domain: name, check })))
    ],
    ({ check, domain }) => linesOf(domain, check),
    { concurrency }
  ).pipe(Effect.map((lines) => lines.flat()))
