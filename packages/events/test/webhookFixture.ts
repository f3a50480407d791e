/** The services of events with a receiver that they may deliver to, and what several files do with them. */
import { PgClient } from "@effect/sql-pg"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { provide, Tenant, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as EventWorker from "@hypermarket/events/EventWorker"
import { WebhookSender } from "@hypermarket/events/WebhookSender"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Effect, Layer, PubSub, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { randomBytes } from "node:crypto"
import { Webhook as StandardWebhook } from "standardwebhooks"
import { Webhook as SvixWebhook } from "svix"
import { type Received, Receiver } from "./Receiver.ts"

/** Wakes the worker of this process at once. */
const layerWakeup = Layer.effect(
  Wakeup.Wakeup,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const heard = yield* PubSub.unbounded<Wakeup.Signal | undefined>()
    return {
      signal: (channel: string, payload: string) =>
        sql.afterCommit(Effect.asVoid(PubSub.publish(heard, { channel, payload }))),
      signals: PubSub.subscribe(heard)
    }
  })
)

/** A key for secrets. */
export const secretsKey = `test:${randomBytes(32).toString("base64")}`

/** The environment of a process that may deliver to the receiver. */
export const environmentOf = ({ port, securePort }: Pick<Receiver["Service"], "port" | "securePort">) => ({
  HM_SECRETS_KEYS: secretsKey,
  HM_OUTBOUND_ALLOW: `127.0.0.1/32:${port},127.0.0.1/32:${securePort}`
})

export const layer = Layer.unwrap(
  Effect.map(Receiver, (receiver) =>
    EventsDomain.layer.pipe(
      Layer.provideMerge(EventsDomain.domain.contracts),
      Layer.provideMerge(layerWakeup),
      Layer.provideMerge(
        Layer.effect(
          ClaimClient,
          Effect.map(PgClient.PgClient, (client): SqlClient.SqlClient => client)
        )
      ),
      Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, EventsDomain.domain.migrations)),
      Layer.provideMerge(Now.layerTest),
      Layer.provideMerge(
        ConfigProvider.layer(ConfigProvider.fromUnknown({ ...process.env, ...environmentOf(receiver) }))
      )
    )
  )
).pipe(Layer.provideMerge(Receiver.layer))

export const worker = EventWorker.run({ domains: [EventsDomain.domain] })

export const as = (id: string) => provide(TenantId.make(id))

export const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  condition.pipe(Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("50 millis") }))

/** Makes the attempts of the tenant's jobs, one after another, until nothing is due. */
export const drain = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const sender = yield* WebhookSender
  const tenant = yield* Tenant
  const attempt = Effect.gen(function* () {
    yield* sender.dispatch
    const jobs = yield* sql<{ readonly payload: unknown }>`
      DELETE FROM hm_event_queue
       WHERE tenant_id = ${tenant.id} AND queue = 'events.webhook'
      RETURNING payload
    `
    yield* Effect.forEach(jobs, ({ payload }) => sender.attempt(payload), { discard: true })
    return jobs.length
  })
  yield* Effect.repeat(attempt, { while: (count) => count > 0 })
})

/** Returns true when both libraries, as they are published, verify the request with the secret. */
export const verifies = (received: Received, secret: string): boolean => {
  try {
    new StandardWebhook(secret).verify(received.body, { ...received.headers })
    new SvixWebhook(secret).verify(received.body, { ...received.headers })
    return true
  } catch {
    return false
  }
}

/** Returns true when a signature of scheme v1a is valid for the public key. By WebCrypto: both libraries verify scheme v1 alone. */
export const verifiesWithKey = Effect.fnUntraced(function* (received: Received, publicKey: string) {
  const { headers } = received
  const content = new TextEncoder().encode(
    `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${received.body}`
  )
  const raw = Buffer.from(publicKey.replace(/^whpk_/, ""), "base64")
  const key = yield* Effect.promise(() =>
    crypto.subtle.importKey("raw", raw, { name: "Ed25519" }, false, ["verify"])
  )
  const signatures = (headers["webhook-signature"] ?? "")
    .split(" ")
    .flatMap((text) => (text.startsWith("v1a,") ? [Buffer.from(text.slice("v1a,".length), "base64")] : []))
  const verdicts = yield* Effect.forEach(signatures, (signature) =>
    Effect.promise(() => crypto.subtle.verify("Ed25519", key, signature, content))
  )
  return verdicts.includes(true)
})

/** The three headers of Standard Webhooks. */
export const signatureOf = ({ headers }: Received): Record<string, string> =>
  Object.fromEntries(
    ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) => [name, headers[name] ?? ""])
  )
