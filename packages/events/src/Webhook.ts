/**
 * A webhook endpoint of a tenant: matching events are posted to its URL, signed. Schemas and errors; the service is
 * `Webhooks`.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Text from "@hypermarket/core/Text"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import { Filters } from "./EventFilter.ts"

/**
 * The id of an endpoint.
 *
 * @category schemas
 * @since 0.1.0
 */
export const EndpointId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/events/EndpointId"))

/**
 * @category models
 * @since 0.1.0
 */
export type EndpointId = typeof EndpointId.Type

/**
 * Maximum endpoints per tenant: publishing matches all of them.
 *
 * @category limits
 * @since 0.1.0
 */
export const endpointsMax = 1_000

/**
 * Maximum secrets that sign at the same time: the newest and two in their overlap.
 *
 * @category limits
 * @since 0.1.0
 */
export const secretsMax = 3

/**
 * How long a rotated secret still signs, in hours, counted from its own rotation.
 *
 * @category limits
 * @since 0.1.0
 */
export const overlapHours = 24

/**
 * Deliveries that `waiting` counts; more show as this number.
 *
 * @category limits
 * @since 0.1.0
 */
export const waitingMax = 1_000

/** Standard Webhooks 1.0: 24 to 64 random bytes. */
const secretBytesMin = 24
const secretBytesMax = 64

const secretPrefix = "whsec_"
const signingKeyPrefix = "whsk_"
/** The seed of an ed25519 key, alone or with its public key. */
const signingKeyBytes: ReadonlyArray<number> = [32, 64]
const base64Pattern = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

const bytesOf = (base64: string): number =>
  (base64.length / 4) * 3 - (base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0)

const isSecret = (text: string): boolean => {
  const base64 = text.slice(text.indexOf("_") + 1)
  if (!base64Pattern.test(base64)) return false
  const bytes = bytesOf(base64)
  return text.startsWith(secretPrefix)
    ? bytes >= secretBytesMin && bytes <= secretBytesMax
    : text.startsWith(signingKeyPrefix) && signingKeyBytes.includes(bytes)
}

const Secret = Schema.String.check(
  Schema.makeFilter((secret: string) =>
    isSecret(secret)
      ? undefined
      : `Expected whsec_ and the base64 of ${secretBytesMin} to ${secretBytesMax} bytes, or whsk_ and that of 32 or 64`
  )
)

/**
 * How requests are signed: `v1` is HMAC-SHA256 with a secret that the receiver has too, `v1a` is ed25519 with a key that
 * stays here; the receiver has its public key.
 *
 * @category schemas
 * @since 0.1.0
 */
export const WebhookScheme = Schema.Literals(["v1", "v1a"])

/**
 * @category models
 * @since 0.1.0
 */
export type WebhookScheme = typeof WebhookScheme.Type

/**
 * The form of the body: the structured CloudEvent, or `{type,timestamp,data}` as Standard Webhooks 1.0 recommends. `data` is
 * byte for byte as it was published, in both.
 *
 * @category schemas
 * @since 0.1.0
 */
export const WebhookFormat = Schema.Literals(["cloudevents", "standard"])

/**
 * @category models
 * @since 0.1.0
 */
export type WebhookFormat = typeof WebhookFormat.Type

const isOfScheme = Schema.makeFilter(
  ({ scheme, secret }: { readonly scheme?: WebhookScheme; readonly secret?: string }) =>
    scheme === undefined || secret === undefined || secret.startsWith(signingKeyPrefix) === (scheme === "v1a")
      ? undefined
      : { path: ["scheme"], issue: "Expected v1 with a secret that begins with whsec_, v1a with whsk_" }
)

/** The service checks the URL as a whole. */
const Url = Text.make({ max: 2_048 })
const Description = Text.make({ min: 0, max: 200 })
const Status = Schema.Literals(["enabled", "paused", "disabled"])

/**
 * An endpoint, without its secrets. Deliveries of an endpoint that is paused or disabled wait for it.
 *
 * @category models
 * @since 0.1.0
 */
export class WebhookEndpoint extends Schema.Class<WebhookEndpoint>("@hypermarket/events/WebhookEndpoint")({
  endpointId: EndpointId,
  url: Url,
  description: Description,
  /** An event must match every filter; without filters every event matches. */
  filters: Filters,
  /** Events of one subject are delivered one at a time, in the order of publishing. */
  ordered: Schema.Boolean,
  format: WebhookFormat,
  /** Verifies the signatures of scheme v1a; null for scheme v1. After a rotation, of the newest key. */
  publicKey: Schema.NullOr(Schema.String),
  status: Status,
  /** `failing`: no delivery succeeded for five days. `gone`: the receiver answered 410. */
  disabledReason: Schema.NullOr(Schema.Literals(["failing", "gone"])),
  disabledAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  /** The first failure since the last success. */
  failingSince: Schema.NullOr(Schema.DateTimeUtcFromString),
  /** The last failure since the last success. */
  lastError: Schema.NullOr(Schema.String),
  /** Deliveries that are not delivered yet, up to 1,000. */
  waiting: Schema.Int,
  version: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * An endpoint with its newest secret, which is shown only once. A repeated request with the same `Idempotency-Key` gets
 * `null`, and so does one for scheme v1a: the receiver needs `publicKey`.
 *
 * @category models
 * @since 0.1.0
 */
export class IssuedWebhook extends Schema.Class<IssuedWebhook>("@hypermarket/events/IssuedWebhook")({
  ...WebhookEndpoint.fields,
  secret: Schema.NullOr(Schema.String)
}) {}

/**
 * The fields of a new endpoint. Without `filters` it gets every event; `ordered` is false and `format` is `cloudevents` by
 * default. Without `secret` one is made, of scheme v1 by default.
 *
 * @category models
 * @since 0.1.0
 */
export const NewWebhook = Schema.Struct({
  url: Url,
  description: Schema.optionalKey(Description),
  filters: Schema.optionalKey(Filters),
  ordered: Schema.optionalKey(Schema.Boolean),
  format: Schema.optionalKey(WebhookFormat),
  scheme: Schema.optionalKey(WebhookScheme),
  secret: Schema.optionalKey(Secret)
}).check(isOfScheme)

/**
 * The fields that can change; an absent field keeps its value. New filters apply to events that are published afterwards,
 * a new `url` and `format` to the next attempts.
 *
 * @category models
 * @since 0.1.0
 */
export const WebhookChange = Schema.Struct({
  url: Schema.optionalKey(Url),
  description: Schema.optionalKey(Description),
  filters: Schema.optionalKey(Filters),
  ordered: Schema.optionalKey(Schema.Boolean),
  format: Schema.optionalKey(WebhookFormat)
})

/**
 * A rotation. With `revoke` the earlier secrets stop at once; otherwise each still signs for 24 hours after its own
 * rotation. Without `scheme` the endpoint keeps its own.
 *
 * @category models
 * @since 0.1.0
 */
export const WebhookRotation = Schema.Struct({
  scheme: Schema.optionalKey(WebhookScheme),
  secret: Schema.optionalKey(Secret),
  revoke: Schema.optionalKey(Schema.Boolean)
}).check(isOfScheme)

/**
 * The tenant has no endpoint with this id.
 *
 * @category errors
 * @since 0.1.0
 */
export class WebhookNotFound extends HttpApiError.Problem<WebhookNotFound>()(
  "WebhookNotFound",
  {
    type: "urn:hypermarket:problem:events:webhook-not-found",
    status: 404,
    title: "No such webhook endpoint"
  },
  { endpointId: Schema.String }
) {}

/**
 * The URL may not be delivered to, or the secret is no key. Nothing was stored.
 *
 * @category errors
 * @since 0.1.0
 */
export class WebhookInvalid extends HttpApiError.Problem<WebhookInvalid>()(
  "WebhookInvalid",
  {
    type: "urn:hypermarket:problem:events:webhook-invalid",
    status: 400,
    title: "The webhook endpoint is not valid"
  },
  { errors: Schema.Array(HttpApiError.ProblemIssue) }
) {}

/**
 * The tenant has {@link endpointsMax} endpoints.
 *
 * @category errors
 * @since 0.1.0
 */
export class WebhookLimit extends HttpApiError.Problem<WebhookLimit>()(
  "WebhookLimit",
  {
    type: "urn:hypermarket:problem:events:webhook-limit",
    status: 409,
    title: "The tenant has the maximum number of webhook endpoints"
  },
  { limit: Schema.Int }
) {}

/**
 * {@link secretsMax} secrets of the endpoint sign. Rotate after the overlap of the oldest, or with `revoke`.
 *
 * @category errors
 * @since 0.1.0
 */
export class WebhookSecretLimit extends HttpApiError.Problem<WebhookSecretLimit>()(
  "WebhookSecretLimit",
  {
    type: "urn:hypermarket:problem:events:webhook-secret-limit",
    status: 409,
    title: "Three secrets of the endpoint sign; wait for the overlap of the oldest, or send revoke"
  },
  { endpointId: Schema.String }
) {}
