/**
 * The networks that rows may not reach, and how a host is read without a look-up.
 */
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"

export type Reason =
  | "host_malformed"
  | "port_malformed"
  | "unspecified"
  | "loopback"
  | "private"
  | "shared"
  | "link_local"
  | "metadata"
  | "multicast"
  | "reserved"
  | "documentation"
  | "benchmarking"
  | "embedded_ipv4"
  | "not_global"

export const reasons: ReadonlyArray<Reason> = [
  "host_malformed",
  "port_malformed",
  "unspecified",
  "loopback",
  "private",
  "shared",
  "link_local",
  "metadata",
  "multicast",
  "reserved",
  "documentation",
  "benchmarking",
  "embedded_ipv4",
  "not_global"
]

type Rule = readonly [network: IpNetwork.IpNetwork, reason: Reason]

const rule = (network: string, reason: Reason): Rule => [IpNetwork.fromStringUnsafe(network), reason]

/**
 * The first match decides. From the IANA registries of special-purpose addresses (RFC 6890), and Azure's WireServer, which
 * has a public address.
 */
const ipv4Rules: ReadonlyArray<Rule> = [
  rule("0.0.0.0/8", "unspecified"),
  rule("127.0.0.0/8", "loopback"),
  rule("10.0.0.0/8", "private"),
  rule("172.16.0.0/12", "private"),
  rule("192.168.0.0/16", "private"),
  rule("169.254.169.254/32", "metadata"),
  rule("100.100.100.200/32", "metadata"),
  rule("168.63.129.16/32", "metadata"),
  rule("192.0.0.192/32", "metadata"),
  rule("169.254.0.0/16", "link_local"),
  rule("100.64.0.0/10", "shared"),
  rule("192.0.2.0/24", "documentation"),
  rule("198.51.100.0/24", "documentation"),
  rule("203.0.113.0/24", "documentation"),
  rule("198.18.0.0/15", "benchmarking"),
  rule("192.0.0.0/24", "reserved"),
  rule("192.88.99.0/24", "reserved"),
  rule("224.0.0.0/4", "multicast"),
  rule("240.0.0.0/4", "reserved")
]

/** Of IPv6 only global unicast is allowed at all: a form that is unknown here is refused. */
const globalUnicast = IpNetwork.fromStringUnsafe("2000::/3")

const ipv6Rules: ReadonlyArray<Rule> = [
  rule("::/128", "unspecified"),
  rule("::1/128", "loopback"),
  // IPv4-compatible, among them ::7f00:1, which is 127.0.0.1.
  rule("::/96", "embedded_ipv4"),
  rule("::ffff:0:0/96", "embedded_ipv4"),
  // IPv4-translated (RFC 2765).
  rule("::ffff:0:0:0/96", "embedded_ipv4"),
  // NAT64, the well-known and the local prefix.
  rule("64:ff9b::/96", "embedded_ipv4"),
  rule("64:ff9b:1::/48", "embedded_ipv4"),
  // 6to4 and Teredo.
  rule("2002::/16", "embedded_ipv4"),
  rule("2001::/32", "embedded_ipv4"),
  rule("2001::/23", "reserved"),
  rule("2001:db8::/32", "documentation"),
  rule("3fff::/20", "documentation"),
  rule("fd00:ec2::254/128", "metadata"),
  rule("fc00::/7", "private"),
  rule("fe80::/10", "link_local"),
  rule("fec0::/10", "private"),
  rule("ff00::/8", "multicast")
]

/** ISATAP (RFC 5214): an interface identifier of 0:5efe or 200:5efe, then an IPv4 address. */
const isIsatap = (address: NetAddress.Ipv6Address): boolean => {
  const segments = NetAddress.ipv6ToSegments(address)
  return ((segments[4] ?? 0) & 0xfdff) === 0 && segments[5] === 0x5efe
}

/** Returns why an address may not be reached, or undefined when it is public. */
export const reasonOf = (address: NetAddress.IpAddress): Reason | undefined => {
  const rules = NetAddress.isIpv4Address(address) ? ipv4Rules : ipv6Rules
  const match = rules.find(([network]) => IpNetwork.contains(network, address))
  if (match !== undefined) return match[1]
  if (NetAddress.isIpv4Address(address)) return undefined
  if (isIsatap(address)) return "embedded_ipv4"
  return IpNetwork.contains(globalUnicast, address) ? undefined : "not_global"
}

/** RFC 1035: 253 characters, labels of 63. Underscores are in use. */
const namePattern =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/

/** A name that ends so is read as an IPv4 address by the C library, in decimal, octal or hex. */
const numericEndPattern = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/

export type Host =
  | { readonly _tag: "Address"; readonly address: NetAddress.IpAddress }
  | { readonly _tag: "Name"; readonly name: string }

/** Reads a host as it is in a URL or a mail server's setting. Undefined when it is neither an address nor a name. */
export const parseHost = (text: string): Host | undefined => {
  const isBracketed = text.startsWith("[") && text.endsWith("]")
  const bare = isBracketed ? text.slice(1, -1) : text.toLowerCase().replace(/\.$/, "")
  if (isBracketed || bare.includes(":")) {
    const address = NetAddress.ipv6FromString(bare)
    return Result.isSuccess(address) ? { _tag: "Address", address: address.success } : undefined
  }
  if (numericEndPattern.test(bare)) {
    const address = NetAddress.ipv4FromString(bare)
    return Result.isSuccess(address) ? { _tag: "Address", address: address.success } : undefined
  }
  return namePattern.test(bare) ? { _tag: "Name", name: bare } : undefined
}

/** RFC 6761: these names are loopback whatever a name server answers. */
export const isLocalhost = (name: string): boolean => name === "localhost" || name.endsWith(".localhost")

/** A network and a port that rows may reach in spite of the rules. */
export interface Allowed {
  readonly network: IpNetwork.IpNetwork
  readonly port: number
}

const portMax = 65_535

/** Reads `cidr:port`; an IPv6 network may be in brackets. */
export const parseAllowed = (text: string): Allowed | undefined => {
  const end = text.lastIndexOf(":")
  const portText = text.slice(end + 1)
  const network = IpNetwork.fromString(text.slice(0, Math.max(end, 0)).replace(/^\[([^\]]*)\]/, "$1"))
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0
  return Result.isSuccess(network) && isPort(port) ? { network: network.success, port } : undefined
}

export const isPort = (port: number): boolean => Number.isInteger(port) && port >= 1 && port <= portMax

export const isAllowed = (
  allowed: ReadonlyArray<Allowed>,
  address: NetAddress.IpAddress,
  port: number
): boolean => allowed.some((entry) => entry.port === port && IpNetwork.contains(entry.network, address))
