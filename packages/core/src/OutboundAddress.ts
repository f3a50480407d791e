/**
 * Connections to hosts that a row names: a webhook's URL, a tenant's mail server. The name is resolved once, every address
 * is judged, and the socket is opened to the judged address. A name server that changes its answer changes nothing.
 *
 * Hosts that come from settings are the operator's: connect to those without this module.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Dns from "node:dns"
import * as Net from "node:net"
import * as Networks from "./internal/outbound/networks.ts"
import * as Setting from "./Setting.ts"

/**
 * The host is malformed, or one of its addresses is not public. `address` is for the log: shown to a tenant, it would map
 * the network behind a name server.
 *
 * @category errors
 * @since 0.1.0
 */
export class AddressRefused extends Schema.TaggedError<AddressRefused>()("AddressRefused", {
  host: Schema.String,
  reason: Schema.Literals(Networks.reasons),
  address: Schema.optionalKey(Schema.String)
}) {}

/**
 * `resolve`: the name has no address. `connect`: no address accepted the connection. `timeout`: the deadline has passed.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConnectFailed extends Schema.TaggedError<ConnectFailed>()("ConnectFailed", {
  host: Schema.String,
  reason: Schema.Literals(["resolve", "connect", "timeout"]),
  /** The system's code, such as ECONNREFUSED. */
  code: Schema.optionalKey(Schema.String)
}) {}

/**
 * A network and a port that rows may reach in spite of the rules.
 *
 * @category models
 * @since 0.1.0
 */
export type Allowed = Networks.Allowed

/**
 * Why an address is refused.
 *
 * @category models
 * @since 0.1.0
 */
export type Reason = Networks.Reason

const entriesOf = (text: string): ReadonlyArray<string> =>
  text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "")

const AllowText = Schema.String.check(
  Schema.makeFilter((text: string) =>
    entriesOf(text).every((entry) => Networks.parseAllowed(entry) !== undefined)
      ? undefined
      : "Expected a list of cidr:port, such as 127.0.0.1/32:9000,[fd00::]/8:443"
  )
)

const allow = Setting.make<ReadonlyArray<Allowed>>({
  name: "HM_OUTBOUND_ALLOW",
  doc: "A list of `cidr:port` that webhooks and other hosts in rows may reach although the address is not public, or over plain HTTP.",
  read: (name) =>
    Config.map(Config.schema(AllowText, name), (text) =>
      entriesOf(text).flatMap((entry) => Networks.parseAllowed(entry) ?? [])
    ),
  defaultValue: [],
  defaultText: ""
})

/**
 * @category settings
 * @since 0.1.0
 */
export const settings: ReadonlyArray<Setting.Any> = [allow]

/**
 * Returns the addresses of a name, as text. Fails with the system's error.
 *
 * @category models
 * @since 0.1.0
 */
export type Resolve = (name: string) => Effect.Effect<ReadonlyArray<string>, unknown>

/** A name server that does not answer is asked twice; a connection's deadline is usually longer than both. */
const nameServerTimeoutMillis = 2_000
const nameServerTries = 2

const noAddressCodes = new Set(["ENODATA", "ENOTFOUND"])

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined

/**
 * Asks name servers for A and AAAA, not the C library: a slow name would hold one of its four threads, and the machine's
 * host file is not for rows.
 */
const resolveByDns: Resolve = (name) =>
  Effect.callback((resume) => {
    const resolver = new Dns.promises.Resolver({ timeout: nameServerTimeoutMillis, tries: nameServerTries })
    const none = (error: unknown): ReadonlyArray<string> => {
      if (noAddressCodes.has(codeOf(error) ?? "")) return []
      throw error
    }
    void Promise.all([resolver.resolve4(name).catch(none), resolver.resolve6(name).catch(none)]).then(
      ([ipv4, ipv6]) => resume(Effect.succeed([...ipv4, ...ipv6])),
      (error: unknown) => resume(Effect.fail(error))
    )
    return Effect.sync(() => resolver.cancel())
  })

/**
 * How names are resolved. A test replaces it.
 *
 * @category services
 * @since 0.1.0
 */
export const Resolver = Context.Reference<Resolve>("@hypermarket/core/OutboundAddress/Resolver", {
  defaultValue: () => resolveByDns
})

/** Addresses of one name that are tried, in the resolver's order. All are judged. */
const triesMax = 4

/** A name with more addresses is refused: judging is linear, and no honest receiver has that number. */
const addressesMax = 64

const connectOnce = (address: NetAddress.IpAddress, port: number): Effect.Effect<Net.Socket, unknown> =>
  Effect.callback((resume) => {
    const socket = Net.connect({
      host: NetAddress.formatIp(address),
      port,
      family: NetAddress.isIpv4Address(address) ? 4 : 6,
      autoSelectFamily: false,
      // An address needs no look-up: one that happens is a mistake, and must not connect elsewhere.
      lookup: (name, _options, callback) => callback(new Error(`${name} was looked up`), "", 4)
    })
    // Without a listener an error between two readers would end the process.
    socket.on("error", (error) => resume(Effect.fail(error)))
    socket.once("connect", () => resume(Effect.succeed(socket)))
    return Effect.sync(() => void socket.destroy())
  })

/**
 * The guard between rows and the network.
 *
 * @category services
 * @since 0.1.0
 */
export class OutboundAddress extends Context.Service<
  OutboundAddress,
  {
    /**
     * Refuses, from the input alone, a malformed host or port and an address that is not public. A name passes: its
     * addresses are judged when it is connected to. For the door: a row that cannot be reached is not stored.
     */
    readonly check: (host: string, port: number) => Result.Result<void, AddressRefused>
    /** Returns true when `HM_OUTBOUND_ALLOW` has the address and port. */
    readonly isAllowed: (address: string, port: number) => boolean
    /** Returns true when {@link isAllowed} may hold once the host is resolved; for an address it decides. */
    readonly mayBeAllowed: (host: string, port: number) => boolean
    /**
     * Connects to the first address that accepts. Refused when any address of the name is not public. The caller
     * destroys the socket.
     */
    readonly connect: (options: {
      readonly host: string
      readonly port: number
      /** From the look-up to the connection. */
      readonly deadline: Duration.Input
    }) => Effect.Effect<Net.Socket, AddressRefused | ConnectFailed>
  }
>()("@hypermarket/core/OutboundAddress") {
  /** With `HM_OUTBOUND_ALLOW` from the environment. */
  static readonly layer: Layer.Layer<OutboundAddress, Config.ConfigError> = Layer.effect(
    OutboundAddress,
    Effect.flatMap(allow.config, (allowed) => make(allowed))
  )

  /** With these exceptions, whatever the environment has. */
  static readonly layerAllowing = (allowed: ReadonlyArray<Allowed>): Layer.Layer<OutboundAddress> =>
    Layer.effect(OutboundAddress, make(allowed))
}

/**
 * Reads one entry of `HM_OUTBOUND_ALLOW`; undefined when it is malformed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const parseAllowed: (text: string) => Allowed | undefined = Networks.parseAllowed

const make = (allowed: ReadonlyArray<Allowed>): Effect.Effect<OutboundAddress["Service"]> =>
  Effect.map(Resolver, (resolve) => {
    const judge = (
      host: string,
      address: NetAddress.IpAddress,
      port: number
    ): Result.Result<NetAddress.IpAddress, AddressRefused> => {
      const reason = Networks.reasonOf(address)
      return reason === undefined || Networks.isAllowed(allowed, address, port)
        ? Result.succeed(address)
        : Result.fail(new AddressRefused({ host, reason, address: NetAddress.formatIp(address) }))
    }

    const parse = (host: string, port: number): Result.Result<Networks.Host, AddressRefused> => {
      const parsed = Networks.parseHost(host)
      if (parsed === undefined) return Result.fail(new AddressRefused({ host, reason: "host_malformed" }))
      if (!Networks.isPort(port)) return Result.fail(new AddressRefused({ host, reason: "port_malformed" }))
      return Result.succeed(parsed)
    }

    const loopbacks = (host: string, port: number) =>
      Result.map(judge(host, NetAddress.ipv4Loopback, port), (address) => [address])

    const check = (host: string, port: number): Result.Result<void, AddressRefused> =>
      Result.flatMap(parse(host, port), (parsed): Result.Result<void, AddressRefused> => {
        if (parsed._tag === "Address") return Result.map(judge(host, parsed.address, port), () => undefined)
        return Networks.isLocalhost(parsed.name)
          ? Result.map(loopbacks(host, port), () => undefined)
          : Result.void
      })

    const lookUp = Effect.fnUntraced(function* (host: string, name: string, port: number) {
      const answers = yield* Effect.mapError(resolve(name), (error) => {
        const code = codeOf(error)
        return new ConnectFailed({ host, reason: "resolve", ...(code === undefined ? {} : { code }) })
      })
      if (answers.length === 0 || answers.length > addressesMax) {
        return yield* new ConnectFailed({ host, reason: "resolve" })
      }
      const judged: Array<NetAddress.IpAddress> = []
      for (const answer of answers) {
        const address = NetAddress.ipFromString(answer)
        // A zone, or a form that only some libraries read.
        if (Result.isFailure(address)) return yield* new AddressRefused({ host, reason: "host_malformed" })
        judged.push(yield* Effect.fromResult(judge(host, address.success, port)))
      }
      return judged
    })

    const addressesOf = Effect.fnUntraced(function* (host: string, port: number) {
      const parsed = yield* Effect.fromResult(parse(host, port))
      if (parsed._tag === "Address") return [yield* Effect.fromResult(judge(host, parsed.address, port))]
      return Networks.isLocalhost(parsed.name)
        ? yield* Effect.fromResult(loopbacks(host, port))
        : yield* lookUp(host, parsed.name, port)
    })

    const connect = Effect.fn("OutboundAddress.connect")(function* (options: {
      readonly host: string
      readonly port: number
      readonly deadline: Duration.Input
    }): Effect.fn.Return<Net.Socket, AddressRefused | ConnectFailed> {
      const { host, port } = options
      let opened: Net.Socket | undefined
      return yield* addressesOf(host, port).pipe(
        Effect.flatMap((addresses) =>
          Effect.firstSuccessOf(
            addresses.slice(0, triesMax).map((address) =>
              Effect.tap(connectOnce(address, port), (socket) =>
                Effect.sync(() => {
                  opened = socket
                })
              )
            )
          ).pipe(
            Effect.mapError((error) => {
              const code = codeOf(error)
              return new ConnectFailed({ host, reason: "connect", ...(code === undefined ? {} : { code }) })
            })
          )
        ),
        Effect.timeoutOrElse({
          duration: options.deadline,
          orElse: () => Effect.fail(new ConnectFailed({ host, reason: "timeout" }))
        }),
        // The connection may have been made in the turn in which the deadline passed.
        Effect.onExit((exit) =>
          Exit.isSuccess(exit) ? Effect.void : Effect.sync(() => void opened?.destroy())
        )
      )
    })

    const mayBeAllowed = (host: string, port: number): boolean => {
      const parsed = Networks.parseHost(host)
      return parsed?._tag === "Address"
        ? Networks.isAllowed(allowed, parsed.address, port)
        : allowed.some((entry) => entry.port === port)
    }

    const isAllowed = (text: string, port: number): boolean => {
      const address = NetAddress.ipFromString(text)
      return Result.isSuccess(address) && Networks.isAllowed(allowed, address.success, port)
    }

    return { check, isAllowed, mayBeAllowed, connect }
  })
