/**
 * The address of a client behind our own proxies. Only `X-Forwarded-For` is read, and of it only what trusted proxies
 * wrote: a client that sends the header itself changes nothing.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import ipaddr from "ipaddr.js"
import type { Address } from "./Limits.ts"
import * as Setting from "./Setting.ts"

type Ip = ipaddr.IPv4 | ipaddr.IPv6

/**
 * A network of proxies, in CIDR notation.
 *
 * @category models
 * @since 0.1.0
 */
export interface Network {
  readonly address: Ip
  readonly prefixLength: number
}

/** Parses an address without its port; an IPv4 address within IPv6 is IPv4. */
const parseIp = (text: string): Ip | undefined => {
  const [, bracketed, port4] = /^\[([^\]]+)\](?::\d+)?$|^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text) ?? []
  const address = bracketed ?? port4 ?? text
  return ipaddr.IPv4.isValidFourPartDecimal(address) ||
    (address.includes(":") && ipaddr.IPv6.isValid(address))
    ? ipaddr.process(address)
    : undefined
}

/**
 * Parses a network; undefined for text that is none. An address alone is a network of one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const parseNetwork = (text: string): Network | undefined => {
  const [, addressText = "", lengthText] = /^([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const address = parseIp(addressText)
  if (address === undefined) return undefined
  const bits = address.kind() === "ipv4" ? 32 : 128
  const prefixLength = lengthText === undefined ? bits : Number(lengthText)
  return prefixLength <= bits ? { address, prefixLength } : undefined
}

const isWithin = (address: Ip, { address: network, prefixLength }: Network): boolean =>
  address instanceof ipaddr.IPv4
    ? network instanceof ipaddr.IPv4 && address.match(network, prefixLength)
    : network instanceof ipaddr.IPv6 && address.match(network, prefixLength)

/** The prefix that a household or server has of IPv6: its addresses change, this does not. */
const ipv6BucketBits = 64

const addressOf = (ip: Ip): Address => {
  const text = ip.toString()
  return ip instanceof ipaddr.IPv4
    ? { text, bucket: text }
    : { text, bucket: `${ipaddr.IPv6.networkAddressFromCIDR(`${text}/${ipv6BucketBits}`).toString()}/64` }
}

/** A request without a peer, as over a Unix socket: all of them share one bucket. */
const unknown: Address = { text: "unknown", bucket: "unknown" }

/**
 * Returns the rightmost address of `X-Forwarded-For` that is not a trusted proxy, or the peer when the peer is not trusted.
 * An entry that is no address ends the search at the proxy that passed it on.
 *
 * @category resolving
 * @since 0.1.0
 */
export const resolve = (
  trusted: ReadonlyArray<Network>,
  peer: string | undefined,
  forwardedFor: string | undefined
): Address => {
  let client = peer === undefined ? undefined : parseIp(peer)
  if (client === undefined) return unknown
  for (const entry of (forwardedFor ?? "").split(",").toReversed()) {
    const current = client
    if (!trusted.some((network) => isWithin(current, network))) break
    const next = parseIp(entry.trim())
    if (next === undefined) break
    client = next
  }
  return addressOf(client)
}

const entriesOf = (text: string): ReadonlyArray<string> =>
  text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "")

const NetworksText = Schema.String.check(
  Schema.makeFilter((text: string) =>
    entriesOf(text).every((entry) => parseNetwork(entry) !== undefined)
      ? undefined
      : "Expected a list of networks, such as 10.0.0.0/8,fd00::/8"
  )
)

const trustedProxies = Setting.make<ReadonlyArray<Network>>({
  name: "HM_API_TRUSTED_PROXIES",
  doc: "The networks of our own proxies, such as `10.0.0.0/8,fd00::/8`: their `X-Forwarded-For` names the client.",
  read: (name) =>
    Config.map(Config.schema(NetworksText, name), (text) =>
      entriesOf(text).flatMap((entry) => parseNetwork(entry) ?? [])
    ),
  defaultValue: [],
  defaultText: ""
})

/**
 * @category settings
 * @since 0.1.0
 */
export const settings: ReadonlyArray<Setting.Any> = [trustedProxies]

/**
 * The networks whose `X-Forwarded-For` is believed. None by default: the client is the peer.
 *
 * @category services
 * @since 0.1.0
 */
export const TrustedProxies = Context.Reference<ReadonlyArray<Network>>(
  "@hypermarket/core/ClientAddress/TrustedProxies",
  { defaultValue: () => [] }
)

/**
 * Reads `HM_API_TRUSTED_PROXIES`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, Config.ConfigError> = Layer.effect(
  TrustedProxies,
  Effect.suspend(() => trustedProxies.config)
)

/**
 * Returns the address of a request's client: its text, and the bucket that is limited.
 *
 * @category accessors
 * @since 0.1.0
 */
export const of = (request: HttpServerRequest): Effect.Effect<Address> =>
  Effect.map(TrustedProxies, (trusted) =>
    resolve(trusted, Option.getOrUndefined(request.remoteAddress), request.headers["x-forwarded-for"])
  )
