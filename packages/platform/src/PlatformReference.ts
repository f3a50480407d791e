/**
 * The prose of tenants and keys in the API reference.
 *
 * @since 0.1.0
 */
import * as Reference from "@hypermarket/core/Reference"
import { PlatformApi } from "./PlatformApi.ts"
import examples from "./PlatformApi.examples.json" with { type: "json" }

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  PlatformApi,
  {
    tenants: {
      createTenant: {
        summary: "Create a tenant",
        description:
          "Creates a tenant under an id that you choose. The id cannot be changed later. `plan` is `standard` by default.\n\nAn id that is in use is answered with 409 `tenant-exists`. Send an `Idempotency-Key` to repeat the request safely within 24 hours. Then create the tenant's first key."
      },
      listTenants: {
        summary: "List tenants",
        description:
          "Returns tenants in the order of their ids, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page; it is null on the last one."
      },
      getTenant: {
        summary: "Get a tenant",
        description:
          "Returns the tenant. The `ETag` header holds its version, which a change needs in `If-Match`."
      },
      changeTenant: {
        summary: "Change or suspend a tenant",
        description:
          "Changes the fields in the body; absent fields keep their value. A suspension requires a `statusReason`. A suspended tenant's keys are answered with 403, and its data stays.\n\nSend the version in `If-Match`. After a 412, get the tenant, apply your change to it, and send it with the new version."
      },
      createTenantKey: {
        summary: "Create a key of a tenant",
        description:
          "Creates a key for the tenant and returns its secret. The secret is shown once, so store it before you go on. A repeated request with the same `Idempotency-Key` returns the same key with `secret` null."
      }
    },
    keys: {
      currentTenant: {
        summary: "Get your tenant",
        description:
          "Returns the tenant that the key of this request belongs to. Use it to check a key and to find out the tenant's plan and region."
      },
      createKey: {
        summary: "Create a key",
        description:
          "Creates a key and returns its secret. The secret is shown once, so store it before you go on.\n\nA `server` key is secret and works for every operation within its scopes. A `client` key may be in a browser, and only works for operations that are made for it. A key has 1 to 64 scopes. It cannot have scopes that the calling key lacks: 403 `scope-too-wide` lists them."
      },
      listKeys: {
        summary: "List keys",
        description:
          "Returns the tenant's keys without their secrets, newest first, at most 200 per page. Expired and revoked keys are in the list. `lastUsedAt` is exact to the minute."
      },
      getKey: {
        summary: "Get a key",
        description:
          "Returns the key without its secret. The `ETag` header holds its version. Another tenant's key is not found."
      },
      rotateKey: {
        summary: "Replace a key",
        description:
          "Creates a key with the same name, scopes and environment, and returns its secret. The old key stays valid for `overlapSeconds`: one day by default, 30 days at most, 0 to end it now.\n\nDeploy the new secret within that time. A revoked or expired key is answered with 409 `api-key-inactive`: create a new key instead."
      },
      revokeKey: {
        summary: "Revoke a key",
        description:
          "Ends the key within 5 seconds in every process. This cannot be undone. The key stays in the list, with the `reason` of the query. Rotate the key instead if clients still use it."
      }
    }
  },
  {
    examples,
    problems: {
      "urn:hypermarket:problem:platform:api-key-inactive": {
        cause: "The key is revoked or expired.",
        remedy: "Create a new key."
      },
      "urn:hypermarket:problem:platform:api-key-not-found": {
        cause: "The tenant has no key with this id.",
        remedy: "List the keys to find the id."
      },
      "urn:hypermarket:problem:platform:scope-too-wide": {
        cause: "The new key would have scopes that the calling key lacks. `scopes` lists them.",
        remedy: "Leave these scopes out, or call with a key that has them."
      },
      "urn:hypermarket:problem:platform:tenant-exists": {
        cause: "Another tenant has this id.",
        remedy: "Choose another `tenantId`."
      },
      "urn:hypermarket:problem:platform:tenant-not-found": {
        cause: "No tenant has this id.",
        remedy: "List the tenants to find the id."
      }
    }
  }
)
