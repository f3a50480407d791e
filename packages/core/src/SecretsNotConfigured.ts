/**
 * The refusal to seal a secret. Without the sealing, so that a browser can import it.
 *
 * @since 0.1.0
 */
import * as HttpApiError from "effect/http-api/HttpApiError"

/**
 * @category errors
 * @since 0.1.0
 */
export class SecretsNotConfigured extends HttpApiError.Problem<SecretsNotConfigured>()(
  "SecretsNotConfigured",
  {
    type: "urn:hypermarket:problem:core:secrets-not-configured",
    status: 503,
    title: "This installation has no key for secrets; its operator sets HM_SECRETS_KEYS"
  }
) {}
