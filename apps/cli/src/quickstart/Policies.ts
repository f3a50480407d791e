/**
 * Region policies and the activity log on the demo shop: one category is forbidden in one state from a day on, the decision before
 * and after it, and a dry run for the next state. Then the log is sealed and verified, and a row of a copy is tampered with.
 */
import * as Audit from "@hypermarket/core/Audit"
import { AllTenants } from "@hypermarket/core/Tenant"
import { ActivityLog } from "@hypermarket/platform/ActivityLog"
import { ActivitySeals } from "@hypermarket/platform/ActivitySeals"
import { PolicyDryRunReport, RegionDecision } from "@hypermarket/platform/RegionPolicy"
import * as Effect from "effect/Effect"
import { HttpClient } from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { failed, fromKnown } from "../CommandFailed.ts"
import type { Installation } from "./Part.ts"

const category = "Cutlery"
const states = ["US-UT", "US-NV", "US-CA", "US-NY", "US-TX", "US-WA"]
const categories = [category, "Phones", "Binders"]

const fields = {
  actions: ["listing.publish"],
  category,
  effect: "deny",
  effectiveFrom: "2026-01-01T00:00:00Z",
  legalBasis: "An example, no law",
  source: "https://example.com/law"
}

const question = { action: "listing.publish", region: "US-UT", category }

/** The key is shown with the figures: it is the same each time. */
export const policyKey = "utah-cutlery"

/** Blocks the category in one state and asks about it. */
export const policies = Effect.fnUntraced(function* ({ apiKey, apiUrl }: Installation) {
  const client = yield* HttpClient
  const post = Effect.fnUntraced(function* (path: string, body: Schema.Json) {
    return yield* client.execute(
      HttpClientRequest.post(`${apiUrl}/v1/platform${path}`).pipe(
        HttpClientRequest.bearerToken(apiKey),
        HttpClientRequest.bodyJsonUnsafe(body)
      )
    )
  })
  const created = yield* post("/policies", { policyKey, region: "US-UT", ...fields })
  if (created.status !== 201 && created.status !== 409) {
    return yield* failed(`Creating a policy answered ${created.status}: ${yield* created.text}`)
  }
  const decide = (at: string) =>
    Effect.flatMap(
      post("/policy/decisions", { ...question, at }),
      HttpClientResponse.schemaBodyJson(RegionDecision)
    )
  const after = yield* decide("2026-01-01T00:00:00Z").pipe(
    // The process that decides follows within half a second.
    Effect.repeat({
      until: ({ effect }) => effect === "deny",
      schedule: Schedule.spaced("50 millis").pipe(Schedule.upTo({ duration: "5 seconds" }))
    })
  )
  const before = yield* decide("2025-12-31T23:59:59Z")
  const questions = states.flatMap((region) =>
    categories.map((name) => ({ ...question, region, category: name, at: "2026-06-01T00:00:00Z" }))
  )
  const report = yield* Effect.flatMap(
    post("/policy/dry-runs", {
      policy: { policyKey: "nevada-cutlery", region: "US-NV", ...fields },
      questions
    }),
    HttpClientResponse.schemaBodyJson(PolicyDryRunReport)
  )
  return {
    before: before.effect,
    after: after.effect,
    because: after.because.map((policy) => policy.policyKey),
    dryRun: {
      questions: report.questions,
      deniedBefore: report.deniedBefore,
      deniedAfter: report.deniedAfter
    }
  }
})

const services = Layer.merge(ActivityLog.layer, ActivitySeals.layer)

/** Seals and verifies the log, and verifies it once more in a transaction that tampers with a row and is rolled back. */
export const verification = Effect.fnUntraced(
  function* (tenantId: string) {
    const sql = yield* SqlClient.SqlClient
    const log = yield* ActivityLog
    const seals = yield* ActivitySeals
    const sealed = Effect.andThen(seals.seal, log.verify({}).pipe(Audit.inLogOf(tenantId))).pipe(
      Effect.repeat({
        // The worker may be sealing this tenant.
        until: ({ rows, unsealed }) => rows > 0 && unsealed === 0,
        schedule: Schedule.spaced("50 millis").pipe(Schedule.upTo({ duration: "5 seconds" }))
      })
    )
    const intact = yield* sealed
    const tamper = Effect.gen(function* () {
      yield* sql`
        UPDATE hm_platform_activity_log
           SET detail = replace(detail, 'US-UT', 'US-CA')
         WHERE tenant_id = ${tenantId} AND action = 'region-policy.created'
      `
      const report = yield* log.verify({}).pipe(Audit.inLogOf(tenantId))
      // Rolls back: the copy that is tampered with is that of the transaction.
      return yield* Effect.fail({ _tag: "Undone" as const, report })
    })
    const tampered = yield* sql
      .withTransaction(tamper)
      .pipe(Effect.catchTag("Undone", ({ report }) => Effect.succeed(report)))
    return { intact, tampered }
  },
  Effect.provide(services),
  Effect.catchTag("ConfigError", (error) => Effect.fail(fromKnown(error))),
  Effect.provideService(AllTenants, { actor: "quickstart" })
)
