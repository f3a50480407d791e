/**
 * The routes for operators: `/health/*` and `/metrics`.
 */
import * as Health from "@hypermarket/core/Health"
import * as Problems from "@hypermarket/core/Problems"
import * as Setting from "@hypermarket/core/Setting"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Redacted from "effect/Redacted"
import { createHash, timingSafeEqual } from "node:crypto"
import * as ProcessMetrics from "./ProcessMetrics.ts"

const metricsToken = Setting.optionalSecret({
  name: "HM_METRICS_TOKEN",
  doc: "When set, /metrics asks for it as bearer token."
})

export const settings: ReadonlyArray<Setting.Any> = [metricsToken]

const digest = (text: string) => createHash("sha256").update(text).digest()

const layerMetrics = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const token = yield* metricsToken.config
    const updateProcess = yield* ProcessMetrics.make
    const expected = token === undefined ? undefined : digest(`Bearer ${Redacted.value(token)}`)
    yield* router.add("GET", "/metrics", (request) =>
      Effect.gen(function* () {
        const given = digest(request.headers.authorization ?? "")
        if (expected !== undefined && !timingSafeEqual(given, expected)) {
          return Problems.toResponse(Problems.unauthenticated)
        }
        yield* updateProcess
        return HttpServerResponse.text(yield* PrometheusMetrics.format(), {
          contentType: "text/plain; version=0.0.4; charset=utf-8"
        })
      })
    )
  })
)

export const layer = Layer.mergeAll(Health.layer, layerMetrics)
