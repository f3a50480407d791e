/**
 * The endpoints of the API, typed by the groups that serve them.
 *
 * The groups are imported as types only. Their values would bring Effect and the schemas of every domain into the browser.
 */
import type { AnalyticsApi } from "@hypermarket/analytics/AnalyticsApi"
import type { OverviewApi } from "@hypermarket/core/OverviewApi"
import type { SystemApi } from "@hypermarket/core/SystemApi"
import type { EventsApi } from "@hypermarket/events/EventsApi"
import type { WebhooksApi } from "@hypermarket/events/WebhooksApi"
import type { WorkflowsApi } from "@hypermarket/events/WorkflowsApi"
import type { ExperimentsApi } from "@hypermarket/experiments/ExperimentsApi"
import type { NotificationTemplatesApi } from "@hypermarket/notifications/NotificationTemplatesApi"
import type { NotificationsApi } from "@hypermarket/notifications/NotificationsApi"
import type { ObservabilityApi } from "@hypermarket/observability/ObservabilityApi"
import type { ActivityApi } from "@hypermarket/platform/ActivityApi"
import type { FlagRequestsApi } from "@hypermarket/platform/FlagRequestsApi"
import type { FlagsApi } from "@hypermarket/platform/FlagsApi"
import type { PlatformApi } from "@hypermarket/platform/PlatformApi"
import type { PolicyApi } from "@hypermarket/platform/PolicyApi"
import type { QuotasApi } from "@hypermarket/quotas/QuotasApi"
import type { RiskApi } from "@hypermarket/risk/RiskApi"
import type { SearchApi } from "@hypermarket/search/SearchApi"
import type * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import type * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import type * as Schema from "effect/Schema"

type Apis =
  | typeof ActivityApi
  | typeof AnalyticsApi
  | typeof EventsApi
  | typeof ExperimentsApi
  | typeof FlagRequestsApi
  | typeof FlagsApi
  | typeof NotificationsApi
  | typeof NotificationTemplatesApi
  | typeof ObservabilityApi
  | typeof OverviewApi
  | typeof PlatformApi
  | typeof PolicyApi
  | typeof QuotasApi
  | typeof RiskApi
  | typeof SearchApi
  | typeof SystemApi
  | typeof WebhooksApi
  | typeof WorkflowsApi

type GroupOf<Api> = Api extends HttpApi.HttpApi<string, infer Group> ? Group : never
type EndpointOf<Group> =
  Group extends HttpApiGroup.HttpApiGroup<string, infer Endpoint, boolean> ? Endpoint : never
type AnyEndpoint = EndpointOf<GroupOf<Apis>>

/** The JSON of a schema. Effect wraps some in a codec whose own encoded type is any JSON. */
type Encoded<S> = [S] extends [never]
  ? undefined
  : S extends HttpApiSchema.WithHeaders<infer Body, infer _Headers>
    ? Encoded<Body>
    : S extends Schema.toCodecJson<infer Inner>
      ? Inner["Encoded"]
      : S extends { readonly Encoded: infer E }
        ? E
        : undefined

/** Every endpoint by its method and path, for example `GET /v1/events/queues`. */
export type Endpoints = {
  readonly [E in AnyEndpoint as `${E["method"]} ${E["path"]}`]: E
}

export type Endpoint = keyof Endpoints

/** The body of an endpoint's answer, as it is on the wire. */
export type Success<K extends Endpoint> = Encoded<HttpApiEndpoint.Success<Endpoints[K]>>

type Part<Name extends string, Value> = [Value] extends [undefined]
  ? { readonly [N in Name]?: undefined }
  : { readonly [N in Name]: Value }

/** The parts of a request that the endpoint asks for. */
export type Input<K extends Endpoint> = Part<"params", Encoded<HttpApiEndpoint.Params<Endpoints[K]>>> &
  Part<"payload", Encoded<HttpApiEndpoint.Payload<Endpoints[K]>>> & {
    readonly query?: Encoded<HttpApiEndpoint.Query<Endpoints[K]>>
    readonly headers?: Readonly<Record<string, string>>
    readonly signal?: AbortSignal
  }
