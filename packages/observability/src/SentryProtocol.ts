/**
 * The intake protocol of Sentry's SDKs under `/sentry/api/<project>`: envelopes, events of older SDKs, and the reports that
 * browsers send by themselves.
 *
 * The DSN is `https://<key>@<host>/sentry/<project>`. An SDK discards what is refused with any 4xx or 5xx, so that a passing
 * fault is never a 5xx: what cannot be acknowledged is answered 429 with the time to wait.
 *
 * Source: https://develop.sentry.dev/sdk/foundations/transport/
 *
 * @since 0.1.0
 */
import * as ClientAddress from "@hypermarket/core/ClientAddress"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as ProtocolRoute from "@hypermarket/core/ProtocolRoute"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { ErrorIntake } from "./ErrorIntake.ts"
import * as Envelope from "./internal/envelope.ts"
import * as Metrics from "./internal/metrics.ts"
import type * as Reading from "./internal/reading.ts"
import type { Submission } from "./internal/submission.ts"

const mebibyte = 1024 * 1024
/** The bounds of Sentry's own intake. */
const body = { max: 20 * mebibyte, inflatedMax: 100 * mebibyte }
const securityBody = { max: mebibyte, inflatedMax: mebibyte }
const storeBody = { max: 20 * mebibyte, inflatedMax: 20 * mebibyte }

/** A client that was refused waits this long. It drops what it has in the meantime. */
const retryAfterSeconds = 30
/** With a spool the answer comes within two seconds. Without one, a database that is only slow loses nothing by waiting. */
const submitDeadline = "10 seconds"
/** A write that took longer than its request is done soon after, and stores the event all the same. */
const slowRetryAfterSeconds = 2

const refusal = (status: number, reason: string, detail: string, retryAfter = retryAfterSeconds) =>
  HttpServerResponse.jsonUnsafe(
    { detail, causes: [reason] },
    {
      status,
      headers: {
        "x-sentry-error": reason,
        ...(status === 429
          ? {
              "retry-after": String(retryAfter),
              "x-sentry-rate-limits": `${retryAfter}::project:${reason.replaceAll("-", "_")}`
            }
          : {})
      }
    }
  )

const refusals = {
  unauthenticated: [401, "The key of the DSN is unknown, expired or revoked"],
  "scope-missing": [403, "The key of the DSN lacks the scope observability:write"],
  "key-kind-refused": [403, "The key of the DSN is of no tenant"],
  "resource-refused": [403, "The key of the DSN is for another project"],
  "tenant-suspended": [403, "The tenant is suspended"],
  limited: [429, "Too much is sent; wait before sending again"],
  "body-too-large": [
    413,
    "The body is larger than 20 MiB, or 100 MiB or 100 times as much after decompression"
  ],
  "body-too-slow": [408, "The body arrives too slowly"],
  "body-broken": [400, "The body cannot be decompressed"],
  deadline: [429, "It could not be stored in time; wait before sending again"],
  "storage-unavailable": [429, "It cannot be stored now; wait before sending again"]
} as const satisfies Record<ProtocolRoute.Reason, readonly [number, string]>

const refuse = (reason: ProtocolRoute.Reason) => {
  const [status, detail] = refusals[reason]
  return refusal(status, reason, detail, reason === "deadline" ? slowRetryAfterSeconds : retryAfterSeconds)
}

const options = {
  method: "POST",
  key: ["query:sentry_key", "x-sentry-auth", "bearer"],
  scope: "observability:write",
  clientKeys: true,
  resource: { kind: "project", param: "project" },
  guard: "own",
  // The intake has a deadline that its spool can meet.
  stream: true,
  refuse
} as const satisfies Omit<ProtocolRoute.Options, "path" | "body">

const projectPattern = /^[1-9]\d{0,9}$/

const brokenDetails: Readonly<Record<Envelope.Broken | "security", string>> = {
  security: "The body has no report of a browser",
  empty: "The body is empty",
  header: "The first line is not the JSON header of an envelope",
  "item-header": "The header line of an item is not JSON with a type",
  length: "The length of an item does not end at a line end or at the end of the body",
  "too-many-items": `The envelope has more than ${Envelope.itemsMax} items`
}

/** The categories that are limited first, as SDKs name them. */
const shedCategories =
  "attachment;feedback;monitor;session;transaction;span;log_item;trace_metric;profile;replay"

/** Leaves errors of a submission, and counts the rest as dropped. */
const errorsOf = (submission: Submission): Submission => ({
  ...submission,
  items: [],
  checkIns: [],
  counts: [
    ...submission.counts.map((count) =>
      count.outcome === "counted" ? { ...count, outcome: "dropped" as const, reason: "limited" } : count
    ),
    ...submission.items.map(({ kind }) => ({
      category: kind,
      outcome: "dropped" as const,
      reason: "limited",
      quantity: 1
    }))
  ]
})

/**
 * The routes of envelopes, of single events, and of reports of browsers.
 *
 * @category routes
 * @since 0.1.0
 */
export const routes: Effect.Effect<
  ReadonlyArray<ProtocolRoute.ProtocolRoute>,
  never,
  ErrorIntake
> = Effect.gen(function* () {
  const intake = yield* ErrorIntake

  const refused = (reason: string, response: HttpServerResponse.HttpServerResponse) =>
    Effect.as(Metric.update(Metric.withAttributes(Metrics.refusedTotal, { reason }), 1), response)

  /** Reads and stores. */
  const take = Effect.fnUntraced(
    function* (received: Reading.Received) {
      const answer = yield* intake.read(received)
      if (answer === undefined) {
        return yield* refused("unreadable", refusal(429, "unreadable", "It cannot be read now"))
      }
      if (typeof answer === "string") {
        return yield* refused(`broken-${answer}`, refusal(400, `broken-${answer}`, brokenDetails[answer]))
      }
      const { eventId, submission } = answer
      const isShedding = intake.isShedding()
      return yield* intake.submit(isShedding ? errorsOf(submission) : submission).pipe(
        Effect.as(
          HttpServerResponse.jsonUnsafe(
            { id: eventId },
            isShedding
              ? {
                  headers: {
                    "x-sentry-rate-limits": `${retryAfterSeconds}:${shedCategories}:project:queue_full`
                  }
                }
              : {}
          )
        ),
        Effect.catchTag("IntakeRefused", ({ reason }) => {
          intake.noteRefused(submission)
          return refused(reason, refusal(429, reason, "It cannot be stored now; wait before sending again"))
        })
      )
    },
    Effect.timeout(submitDeadline),
    Effect.catchTag("TimeoutError", () => refused("deadline", refuse("deadline")))
  )

  const accept = (route: Reading.Received["route"]) =>
    Effect.fnUntraced(
      function* ({ body, params, request }: ProtocolRoute.Input) {
        const tenant = yield* Tenant
        const text = params["project"] ?? ""
        const projectId = projectPattern.test(text) ? Number(text) : 0
        const project = yield* intake.project(projectId)
        if (project === undefined) {
          return yield* refused(
            "unknown-project",
            refusal(403, "unknown-project", "The DSN names a project that does not exist or is closed")
          )
        }
        const now = yield* Now.now
        const address = yield* ClientAddress.of(request)
        const query =
          route === "security" ? URL.parse(request.url, "http://localhost")?.searchParams : undefined
        return yield* take({
          route,
          body,
          context: {
            tenantId: tenant.id,
            projectId,
            receivedAtMillis: now.getTime(),
            keepsAddresses: project.keepsAddresses,
            clientAddress: address.text,
            rules: project.groupingRules,
            newEventId: yield* Identifier.next
          },
          browser: {
            userAgent: request.headers["user-agent"] ?? "",
            release: query?.get("sentry_release") ?? null,
            environment: query?.get("sentry_environment") ?? null
          }
        })
      },
      Effect.catch(() => refused("unavailable", refuse("storage-unavailable")))
    )

  return [
    ProtocolRoute.make(
      { ...options, path: "/sentry/api/:project/security/", body: securityBody },
      accept("security")
    ),
    ProtocolRoute.make({ ...options, path: "/sentry/api/:project/envelope/", body }, accept("envelope")),
    ProtocolRoute.make({ ...options, path: "/sentry/api/:project/store/", body: storeBody }, accept("store"))
  ]
})

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.unwrap(Effect.map(routes, ProtocolRoute.layer))
