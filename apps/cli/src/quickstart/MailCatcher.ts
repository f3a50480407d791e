/**
 * A mail server on this machine that delivers nothing: it keeps what the worker sends over SMTP in the data folder, where
 * `hypermarket mail` finds it.
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Semaphore from "effect/Semaphore"
import { randomUUID } from "node:crypto"
import { SMTPServer } from "smtp-server"
import { failed } from "../CommandFailed.ts"
import * as Mailbox from "../Mailbox.ts"

const host = "127.0.0.1"
/** A rendering has at most 1 MiB, and base64 a third more. */
const messageBytesMax = 4_194_304
const connectionsMax = 100

/** A name for a file: the local part of Message-ID, if it is one. */
const nameOf = (message: Buffer): string =>
  /^message-id:\s*<([A-Za-z0-9-]{1,64})@/im.exec(message.toString("latin1"))?.[1] ?? randomUUID()

const start = Effect.fn("MailCatcher.start")(function* (folder: string) {
  const services = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
  const turns = yield* Semaphore.make(1)
  const keep = (message: Buffer) => Mailbox.keep(folder, nameOf(message), message).pipe(turns.withPermits(1))
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS", "AUTH"],
    disableReverseLookup: true,
    size: messageBytesMax,
    maxClients: connectionsMax,
    onData: (stream, _session, callback) => {
      const chunks: Array<Buffer> = []
      stream.on("data", (chunk: Buffer) => {
        if (!stream.sizeExceeded) chunks.push(chunk)
      })
      stream.on("end", () => {
        if (stream.sizeExceeded) {
          callback(Object.assign(new Error("5.3.4 Message too large"), { responseCode: 552 }))
          return
        }
        // Accepted when it is kept, as any mail server does it.
        void Effect.runPromise(Effect.provideContext(keep(Buffer.concat(chunks)), services)).then(
          () => callback(null),
          () => callback(Object.assign(new Error("4.3.0 The message is not kept"), { responseCode: 451 }))
        )
      })
    }
  })
  // A client that ends its connection is none of our errors.
  server.on("error", () => undefined)
  yield* Effect.acquireRelease(
    Effect.callback<void, ReturnType<typeof failed>>((resume) => {
      server.server.once("error", (error) =>
        resume(Effect.fail(failed(`Cannot listen on ${host}: ${error.message}`)))
      )
      server.listen(0, host, () => resume(Effect.void))
    }),
    () => Effect.callback<void>((resume) => server.close(() => resume(Effect.void)))
  )
  const address = server.server.address()
  return typeof address === "object" && address !== null ? address.port : 0
})

/**
 * Runs an effect with a mail server that the worker sends to, unless the environment says where mail goes. The effect gets
 * the folder of the messages; undefined for the environment's own delivery.
 */
export const provide =
  (dataDirectory: string, apiPort: number) =>
  <A, E, R>(use: (folder: string | undefined) => Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const set = yield* Config.all([
        Config.option(Config.String("HM_NOTIFICATIONS_DELIVERY")),
        Config.option(Config.String("HM_NOTIFICATIONS_SMTP_URL"))
      ])
      if (set.some(Option.isSome)) return yield* use(undefined)
      const folder = yield* Mailbox.folderOf(dataDirectory)
      const port = yield* start(folder)
      const environment = yield* ConfigProvider.ConfigProvider
      const settings = ConfigProvider.fromUnknown({
        HM_NOTIFICATIONS_DELIVERY: "live",
        HM_NOTIFICATIONS_SMTP_URL: `smtp://${host}:${port}`,
        HM_NOTIFICATIONS_URL: `http://${host}:${apiPort}`
      })
      return yield* Effect.provideService(
        use(folder),
        ConfigProvider.ConfigProvider,
        ConfigProvider.orElse(environment, settings)
      )
    })
