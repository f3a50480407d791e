/** A mail server that counts, per address, the messages it has taken. It outlives every worker. */
import * as Effect from "effect/Effect"
import { SMTPServer } from "smtp-server"

export interface MailSink {
  readonly url: string
  /** Messages by address. */
  readonly received: ReadonlyMap<string, number>
  readonly total: () => number
}

export const make = Effect.gen(function* () {
  const received = new Map<string, number>()
  let total = 0
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS", "AUTH"],
    disableReverseLookup: true,
    closeTimeout: 100,
    onData: (stream, session, callback) => {
      stream.resume()
      stream.on("end", () => {
        for (const { address } of session.envelope.rcptTo) {
          received.set(address, (received.get(address) ?? 0) + 1)
        }
        total++
        callback(null)
      })
    }
  })
  // A worker that was killed leaves its connections behind.
  server.on("error", () => undefined)
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () => Effect.callback<void>((resume) => server.close(() => resume(Effect.void)))
  )
  const address = server.server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  return { url: `smtp://127.0.0.1:${port}`, received, total: () => total } satisfies MailSink
})
