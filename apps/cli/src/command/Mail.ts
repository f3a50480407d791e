/** `hypermarket mail`: the messages of the quickstart's mail server, or those that were caught and not sent. */
import * as Database from "@hypermarket/core/Database"
import * as Identifier from "@hypermarket/core/Identifier"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { CaughtMessages } from "@hypermarket/notifications/CaughtMessages"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import PostalMime, { type Address, type Email } from "postal-mime"
import { failed, orCommandFailed } from "../CommandFailed.ts"
import * as Mailbox from "../Mailbox.ts"
import * as Output from "../Output.ts"

const layerCaught = Layer.unwrap(
  Effect.map(Database.options, (options) =>
    CaughtMessages.layer.pipe(Layer.provide(Database.layer(options, "hypermarket-cli")))
  )
)

/** The newest ones; older ones are in the table or folder. */
const shownMax = 50

const from = {
  tenant: Flag.String("tenant").pipe(
    Flag.withDescription("A tenant: its messages that were caught and not sent, from the database"),
    Flag.withSchema(TenantId),
    Flag.optional
  ),
  dataDirectory: Flag.String("data-dir").pipe(
    Flag.withDescription("The quickstart's folder: what its mail server received; by default .hypermarket"),
    Flag.withDefault(".hypermarket")
  )
}

interface From {
  readonly tenant: Option.Option<TenantId>
  readonly dataDirectory: string
}

interface Listed {
  readonly id: string
  readonly at: string
  readonly to: string
  readonly subject: string
}

const parse = (source: string): Effect.Effect<Email> => Effect.promise(() => PostalMime.parse(source))

const addresses = (list: ReadonlyArray<Address> | undefined): string =>
  (list ?? []).map(({ address, name }) => (name === "" ? (address ?? "") : `${name} <${address}>`)).join(", ")

const caughtOf = Effect.fnUntraced(function* (tenant: TenantId) {
  const caught = yield* CaughtMessages
  const { items } = yield* caught.list({ limit: shownMax }).pipe(
    // No cursor is given.
    Effect.catchTag("CursorInvalid", Effect.die),
    provide(tenant)
  )
  return items.map(({ address, notificationId, recordedAt, subject }): Listed => ({
    id: notificationId,
    at: DateTime.formatIso(recordedAt),
    to: address,
    subject
  }))
}, Effect.provide(layerCaught))

const receivedBy = Effect.fnUntraced(function* (dataDirectory: string) {
  const folder = yield* Mailbox.folderOf(dataDirectory)
  const entries = (yield* Mailbox.list(folder)).slice(0, shownMax)
  return yield* Effect.forEach(entries, ({ id, receivedAt }) =>
    Mailbox.read(folder, id).pipe(
      Effect.flatMap(parse),
      Effect.map(({ subject, to }): Listed => ({
        id,
        at: receivedAt.toISOString(),
        to: addresses(to),
        subject: subject ?? ""
      }))
    )
  )
})

const sourceOf = Effect.fnUntraced(function* (id: string, { dataDirectory, tenant }: From) {
  if (Option.isNone(tenant)) return yield* Mailbox.read(yield* Mailbox.folderOf(dataDirectory), id)
  return yield* Effect.flatMap(CaughtMessages, (caught) => caught.source(id)).pipe(
    Effect.catchTag("NotificationNotFound", () => failed(`No message ${id} was caught`)),
    provide(tenant.value),
    Effect.provide(layerCaught)
  )
})

const list = Command.make(
  "list",
  { ...from, json: Output.jsonFlag },
  Effect.fn(function* ({ dataDirectory, json, tenant }) {
    const listed = yield* Option.match(tenant, {
      onNone: () => receivedBy(dataDirectory),
      onSome: (id) => caughtOf(id)
    })
    if (json) return yield* Output.json(listed)
    yield* Console.log(
      listed.length === 0
        ? "There is no message"
        : Output.columns(listed.map(({ at, id, subject, to }) => [id, at, to, subject]))
    )
  }, orCommandFailed)
).pipe(Command.withDescription("List the newest messages"))

const message = Argument.String("message").pipe(
  Argument.withDescription("The message's id, as `list` shows it"),
  Argument.withSchema(Identifier.Uuid)
)

const show = Command.make(
  "show",
  {
    ...from,
    message,
    source: Flag.Boolean("source").pipe(
      Flag.withDescription("Print the message as it goes over the wire"),
      Flag.withDefault(false)
    )
  },
  Effect.fn(function* (options) {
    const source = yield* sourceOf(options.message, options)
    if (options.source) return yield* Console.log(source)
    const email = yield* parse(source)
    const head = Output.columns([
      ["From", addresses(email.from === undefined ? [] : [email.from])],
      ["To", addresses(email.to)],
      ["Subject", email.subject ?? ""]
    ])
    yield* Console.log(`${head}\n\n${(email.text ?? "").trimEnd()}`)
  }, orCommandFailed)
).pipe(Command.withDescription("Print a message's text"))

const headers = Command.make(
  "headers",
  { ...from, message },
  Effect.fn(function* (options) {
    const email = yield* parse(yield* sourceOf(options.message, options))
    yield* Console.log(email.headers.map(({ originalKey, value }) => `${originalKey}: ${value}`).join("\n"))
  }, orCommandFailed)
).pipe(Command.withDescription("Print a message's headers, each on one line"))

const entities: Readonly<Record<string, string>> = { "&amp;": "&", "&quot;": '"', "&#34;": '"', "&#39;": "'" }

/** Returns the links of a message: those of its HTML, of its text and of List-Unsubscribe, each once. */
const linksOf = (email: Email): ReadonlyArray<string> => {
  const unsubscribe = email.headers.find(({ key }) => key === "list-unsubscribe")?.value ?? ""
  const found = [
    ...Array.from((email.html ?? "").matchAll(/href="([^"]+)"/gi), ([, link = ""]) =>
      link.replaceAll(/&(?:amp|quot|#34|#39);/g, (entity) => entities[entity] ?? entity)
    ),
    ...Array.from((email.text ?? "").matchAll(/https?:\/\/[^\s<>"]+/g), ([link]) => link),
    ...Array.from(unsubscribe.matchAll(/<([^>]+)>/g), ([, link = ""]) => link)
  ]
  return Array.from(new Set(found))
}

const links = Command.make(
  "links",
  { ...from, message },
  Effect.fn(function* (options) {
    const found = linksOf(yield* parse(yield* sourceOf(options.message, options)))
    yield* Console.log(found.length === 0 ? "The message has no link" : found.join("\n"))
  }, orCommandFailed)
).pipe(Command.withDescription("Print a message's links, and the one to unsubscribe"))

export const command = Command.make("mail").pipe(
  Command.withDescription("Messages of the quickstart's mail server, or those that were caught and not sent"),
  Command.withSubcommands([list, show, headers, links])
)
