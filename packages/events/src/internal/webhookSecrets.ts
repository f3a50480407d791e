/** The secrets of webhook endpoints: stored sealed, rotated with an overlap. */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import { Secrets } from "@hypermarket/core/Secrets"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"
import {
  overlapHours,
  secretsMax,
  WebhookInvalid,
  type WebhookRotation,
  type WebhookScheme,
  WebhookSecretLimit
} from "../Webhook.ts"
import { isConsistent, newSecret, publicKeyOf, purpose, schemeOf } from "./webhookSignature.ts"

const hourMillis = 60 * 60 * 1000

/** Returns the secret that a caller sends or a new one. The schema has refused a secret of another scheme. */
const chosen = (
  { scheme, secret }: { readonly scheme?: WebhookScheme; readonly secret?: string },
  schemeDefault: WebhookScheme
) => {
  if (secret === undefined) return Effect.succeed(newSecret(scheme ?? schemeDefault))
  return isConsistent(secret)
    ? Effect.succeed(secret)
    : Effect.fail(
        new WebhookInvalid({
          errors: [
            {
              path: ["secret"],
              message: "Expected the public key of the seed in the second half of a key of 64 bytes"
            }
          ]
        })
      )
}

/** Returns what the caller of a creation or a rotation may see: the signing key of scheme v1a stays here. */
export const shown = (secret: string): string | null => (schemeOf(secret) === "v1a" ? null : secret)

export const makeSecrets = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const secrets = yield* Secrets

  const insert = Effect.fnUntraced(function* (endpointId: string, secret: string, now: Date) {
    const tenant = yield* Tenant
    const sealed = yield* secrets.seal(purpose, Redacted.make(secret))
    yield* sql`
      INSERT INTO hm_webhook_secret (tenant_id, endpoint_id, secret_id, sealed, public_key, recorded_at)
      VALUES (${tenant.id}, ${endpointId}::uuid, ${yield* Identifier.next}::uuid, ${sealed}, ${publicKeyOf(secret)}, ${now})
    `
  })

  /** Adds a secret to an endpoint whose row the caller has locked, and returns it. */
  const rotate = Effect.fnUntraced(function* (
    endpoint: { readonly endpointId: string; readonly publicKey: string | null },
    rotation: typeof WebhookRotation.Type
  ) {
    const { endpointId, publicKey } = endpoint
    const tenant = yield* Tenant
    const now = yield* Now.now
    const secret = yield* chosen(rotation, publicKey === null ? "v1" : "v1a")
    const keptUntil = rotation.revoke === true ? now : new Date(now.getTime() + overlapHours * hourMillis)
    yield* sql`
      UPDATE hm_webhook_secret
         SET expires_at = least(expires_at, ${keptUntil})
       WHERE tenant_id = ${tenant.id} AND endpoint_id = ${endpointId}::uuid
    `
    yield* sql`
      DELETE FROM hm_webhook_secret
       WHERE tenant_id = ${tenant.id} AND endpoint_id = ${endpointId}::uuid AND expires_at <= ${now}
    `
    const signing = yield* sql`
      SELECT 1
        FROM hm_webhook_secret
       WHERE tenant_id = ${tenant.id} AND endpoint_id = ${endpointId}::uuid
    `
    if (signing.length >= secretsMax) return yield* new WebhookSecretLimit({ endpointId })
    yield* insert(endpointId, secret, now)
    return secret
  })

  return { choose: chosen, insert, rotate }
})
