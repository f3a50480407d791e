/**
 * Scopes of keys: `<domain>:read`, `<domain>:write`, `<domain>:admin`, each including the ones before it,
 * `events:payload` and `customers:contact` for data of persons, which no other scope includes, and `system:admin` for the
 * tenant-less credential.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The scope that shows bodies of jobs, workflows and events, answers to webhooks, and what an error carries beside its stack.
 *
 * @category constants
 * @since 0.1.0
 */
export const payload = "events:payload"

/**
 * The scope that shows names and addresses of persons.
 *
 * @category constants
 * @since 0.1.0
 */
export const contact = "customers:contact"

/**
 * The scopes that show data and open no endpoint that writes.
 *
 * @category constants
 * @since 0.1.0
 */
export const ofData = [payload, contact] as const

/**
 * @category schemas
 * @since 0.1.0
 */
export const AccessScope = Schema.String.check(
  Schema.isPattern(/^(?:[a-z]{2,32}:(?:read|write|admin)|events:payload|customers:contact)$/, {
    message: "Expected <domain>:read, <domain>:write, <domain>:admin, events:payload or customers:contact"
  })
)

/**
 * The scope that manages tenants. No tenant's key can hold it.
 *
 * @category constants
 * @since 0.1.0
 */
export const systemAdmin = "system:admin"

/**
 * The scope of endpoints that every key of a tenant may call, whatever its scopes. No key holds it.
 *
 * @category constants
 * @since 0.1.0
 */
export const everyKey = "tenant:any"

const actions = ["read", "write", "admin"]

/**
 * True when the held scopes include what is required. Linear in the few scopes a key has.
 *
 * @category guards
 * @since 0.1.0
 */
export const includes = (held: ReadonlySet<string>, required: string): boolean => {
  if (required === everyKey || held.has(required)) return true
  const [domain, action] = required.split(":")
  const level = actions.indexOf(action ?? "")
  return level >= 0 && actions.slice(level + 1).some((wider) => held.has(`${domain}:${wider}`))
}

/**
 * The wanted scopes that the held ones do not include.
 *
 * @category guards
 * @since 0.1.0
 */
export const missing = (held: ReadonlySet<string>, wanted: Iterable<string>): ReadonlyArray<string> =>
  Array.from(wanted).filter((scope) => !includes(held, scope))
