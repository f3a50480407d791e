/** A real SMTP server in this process, and what it has received. */
import { Context, Effect, Layer } from "effect"
import PostalMime, { type Email } from "postal-mime"
import { SMTPServer } from "smtp-server"
import { domainToASCII } from "node:url"
import { hasProperty } from "effect/Predicate"

export interface Received {
  readonly from: string
  readonly to: ReadonlyArray<string>
  readonly raw: Buffer
}

export interface Behaviour {
  /** Announces no SMTPUTF8. */
  readonly isAsciiOnly: boolean
  /** The reply to RCPT, by address; undefined accepts. */
  readonly refuse: (address: string) => { readonly code: number; readonly text: string } | undefined
  /** Closes the connection after the message, without a reply. */
  readonly hangsUp: (address: string) => boolean
  /** Closes a connection at its second message, as a server that has found it idle. */
  readonly closesReused: boolean
}

/** The server of a test: its URL, and the messages that it has taken. */
export class MailServer extends Context.Service<
  MailServer,
  {
    readonly url: string
    readonly received: Array<Received>
    readonly behaviour: { current: Behaviour }
  }
>()("@hypermarket/notifications/test/MailServer") {}

export const plain: Behaviour = {
  isAsciiOnly: false,
  refuse: () => undefined,
  hangsUp: () => false,
  closesReused: false
}

/** The server shows domains in Unicode; on the wire they are ASCII. */
const inAscii = (address: string): string => {
  const at = address.lastIndexOf("@")
  return `${address.slice(0, at)}@${domainToASCII(address.slice(at + 1))}`
}

const rejection = ({ code, text }: { readonly code: number; readonly text: string }) =>
  Object.assign(new Error(text), { responseCode: code })

export const make = (initial: Partial<Behaviour> = {}) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: SMTPServer; readonly service: MailServer["Service"] }>((resume) => {
      const received: Array<Received> = []
      const behaviour = { current: { ...plain, ...initial } }
      const hangUp = (sessionId: string) => {
        for (const connection of server.connections) {
          if (connection.session.id === sessionId && hasProperty(connection, "_socket"))
            connection._socket.destroy()
        }
      }
      const server = new SMTPServer({
        authOptional: true,
        disabledCommands: ["STARTTLS", "AUTH"],
        hideSMTPUTF8: behaviour.current.isAsciiOnly,
        closeTimeout: 100,
        disableReverseLookup: true,
        onMailFrom: (_address, session, callback) => {
          if (behaviour.current.closesReused && session.transaction > 1) return hangUp(session.id)
          callback(null)
        },
        onRcptTo: ({ address }, _session, callback) => {
          const refused = behaviour.current.refuse(address)
          callback(refused === undefined ? null : rejection(refused))
        },
        onData: (stream, session, callback) => {
          const chunks: Array<Buffer> = []
          stream.on("data", (chunk: Buffer) => void chunks.push(chunk))
          stream.on("end", () => {
            const { mailFrom, rcptTo } = session.envelope
            const to = rcptTo.map(({ address }) => inAscii(address))
            received.push({
              from: mailFrom === false ? "" : mailFrom.address,
              to,
              raw: Buffer.concat(chunks)
            })
            if (to.some((address) => behaviour.current.hangsUp(address))) return hangUp(session.id)
            callback(null)
          })
        }
      })
      server.on("error", () => undefined)
      server.listen(0, "127.0.0.1", () => {
        const address = server.server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const url = `smtp://127.0.0.1:${port}`
        resume(Effect.succeed({ server, service: { url, received, behaviour } }))
      })
    }),
    ({ server }) => Effect.callback<void>((resume) => server.close(() => resume(Effect.void)))
  ).pipe(Effect.map(({ service }) => service))

export const layer = (initial: Partial<Behaviour> = {}): Layer.Layer<MailServer> =>
  Layer.effect(MailServer, make(initial))

export const read = ({ raw }: Received): Effect.Effect<Email> => Effect.promise(() => PostalMime.parse(raw))
