/** One mail server: a pool of connections, and the outcome of each send. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { createTransport, type Transporter } from "nodemailer"
import type { Readable } from "node:stream"
import { type Outcome, outcomeOf } from "./outcome.ts"

/** A message on its way, with the addresses of its envelope. */
export interface Envelope {
  readonly from: string
  readonly to: string
}

export interface Relay {
  /** `primary` or `fallback`. */
  readonly name: string
  /** Never fails: the outcome says what is known. */
  readonly send: (envelope: Envelope, message: Uint8Array) => Effect.Effect<Outcome>
}

/** Time for a connection and for each answer, in milliseconds; half of what a message's lease leaves. */
const connectMillis = 5_000
const socketMillis = 10_000
/** Messages in flight per process and server. A worker runs four chunks of five. */
const connectionsMax = 20

/** Connections that the server has closed while they were idle, per message: a second and a half of waiting in all. */
const requeuesMax = 5

const timeouts = {
  connectionTimeout: connectMillis,
  greetingTimeout: connectMillis,
  socketTimeout: socketMillis
}

/** The domain of a checked address is ASCII, so the rest is of the local part. */
const isAscii = (address: string): boolean => Buffer.byteLength(address) === address.length

/** True when the server has asked for a byte of the message: from then on a lost connection leaves the outcome open. */
type HasBegun = () => boolean

/** Notes the stream of each message, because the errors of a connection do not say how far it came. */
const begunOf = (pool: Pick<Transporter, "use">) => {
  const begun = new WeakMap<Uint8Array, HasBegun>()
  pool.use("stream", ({ data, message }, callback) => {
    const streams: Array<Readable> = []
    const createReadStream = message.createReadStream.bind(message)
    message.createReadStream = (options) => {
      const stream = createReadStream(options)
      streams.push(stream)
      return stream
    }
    if (data.raw instanceof Uint8Array) {
      begun.set(data.raw, () => streams.some(({ readableDidRead }) => readableDidRead))
    }
    callback()
  })
  return (message: Uint8Array): boolean => begun.get(message)?.() ?? false
}

const ignore = () => undefined

/** Asks the server, because nodemailer sends such an address to one that never announced SMTPUTF8. */
const takesUtf8 = (url: Redacted.Redacted) =>
  Effect.suspend(() => {
    let isAnnounced = false
    const note = (_entry: unknown, text?: unknown) => {
      if (typeof text === "string" && /[ -]SMTPUTF8\b/i.test(text)) isAnnounced = true
    }
    const transport = createTransport({
      url: Redacted.value(url),
      ...timeouts,
      transactionLog: true,
      logger: {
        level: ignore,
        trace: ignore,
        debug: note,
        info: ignore,
        warn: ignore,
        error: ignore,
        fatal: ignore
      }
    })
    return Effect.tryPromise({
      try: () => transport.verify().then(() => isAnnounced),
      catch: (error) => outcomeOf(error, false)
    })
  })

/** Opens the pool of a server. Its connections are closed with the scope. */
export const make = Effect.fnUntraced(function* (name: string, url: Redacted.Redacted) {
  const pool = yield* Effect.acquireRelease(
    Effect.sync(() =>
      createTransport({
        url: Redacted.value(url),
        pool: true,
        maxConnections: connectionsMax,
        // Of messages whose connection had ended before it was used; one that was cut off is ours to decide about.
        maxRequeues: requeuesMax,
        ...timeouts
      })
    ),
    (transport) => Effect.sync(() => transport.close())
  )

  const hasBegun = begunOf(pool)

  const submit = ({ from, to }: Envelope, message: Uint8Array) =>
    Effect.suspend(() => {
      // Its own view: the same message may be on its way by another server.
      const raw = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
      return Effect.tryPromise({
        try: () => pool.sendMail({ envelope: { from, to: [to] }, raw }),
        catch: (error) => outcomeOf(error, hasBegun(raw))
      })
    }).pipe(
      Effect.map((info): Outcome => ({ _tag: "accepted", detail: info.response, isUnavailable: false })),
      Effect.catch(Effect.succeed)
    )

  const send = Effect.fnUntraced(function* (envelope: Envelope, message: Uint8Array) {
    if (isAscii(envelope.to)) return yield* submit(envelope, message)
    const supported = yield* Effect.result(takesUtf8(url))
    if (Result.isFailure(supported)) return supported.failure
    return supported.success
      ? yield* submit(envelope, message)
      : ({ _tag: "unsupported", detail: "the server lacks SMTPUTF8", isUnavailable: false } as const)
  })

  return { name, send } satisfies Relay
})
