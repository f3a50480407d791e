/** `hypermarket mail`: the messages that were caught and not sent. */
import * as Database from "@hypermarket/core/Database"
import * as Identifier from "@hypermarket/core/Identifier"
import { provide } from "@hypermarket/core/Tenant"
import { CaughtMessages } from "@hypermarket/notifications/CaughtMessages"
import * as DateTime from "effect/DateTime"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { failed, orCommandFailed } from "../CommandFailed.ts"
import * as Output from "../Output.ts"
import { tenantArgument } from "./Tenants.ts"

const services = Layer.unwrap(
  Effect.map(Database.options, (options) =>
    CaughtMessages.layer.pipe(Layer.provide(Database.layer(options, "hypermarket-cli")))
  )
)

/** The newest ones; older ones are in the table. */
const shownMax = 50

const list = Command.make(
  "list",
  { tenant: tenantArgument, json: Output.jsonFlag },
  Effect.fn(
    function* ({ json, tenant }) {
      const caught = yield* CaughtMessages
      const { items } = yield* caught.list({ limit: shownMax }).pipe(
        // No cursor is given.
        Effect.catchTag("CursorInvalid", Effect.die),
        provide(tenant)
      )
      if (json) return yield* Output.json(items)
      yield* Console.log(
        items.length === 0
          ? "No message was caught"
          : Output.columns(
              items.map(({ address, notificationId, recordedAt, subject }) => [
                notificationId,
                DateTime.formatIso(recordedAt),
                address,
                subject
              ])
            )
      )
    },
    Effect.provide(services),
    orCommandFailed
  )
).pipe(Command.withDescription("List the newest caught messages of a tenant"))

const show = Command.make(
  "show",
  {
    tenant: tenantArgument,
    message: Argument.String("message").pipe(
      Argument.withDescription("The message's id"),
      Argument.withSchema(Identifier.Uuid)
    )
  },
  Effect.fn(
    function* ({ message, tenant }) {
      const caught = yield* CaughtMessages
      const source = yield* caught.source(message).pipe(
        Effect.catchTag("NotificationNotFound", () => failed(`No message ${message} was caught`)),
        provide(tenant)
      )
      yield* Console.log(source)
    },
    Effect.provide(services),
    orCommandFailed
  )
).pipe(Command.withDescription("Print a caught message with its headers, as it would go over the wire"))

export const command = Command.make("mail").pipe(
  Command.withDescription("Messages that HM_NOTIFICATIONS_DELIVERY has caught and not sent"),
  Command.withSubcommands([list, show])
)
