/**
 * Connections whose peer acknowledges nothing. A host that lost its power, and a firewall that forgot the connection, close
 * nothing: the kernel repeats what was sent for some fifteen minutes (Linux, `tcp_retries2`) before it ends the connection.
 * Its own table says earlier which ones it repeats. Keep-alive probes do not: the kernel sends none while data is outstanding.
 *
 * Source: Linux, Documentation/networking/proc_net_tcp.rst. Elsewhere no peer counts as silent.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { open } from "node:fs/promises"
import type { Socket } from "node:net"
import { endianness } from "node:os"

const tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"]

/** Some 100,000 connections. Connections beyond it are ended by the kernel alone. */
const tableBytesMax = 16 * 1_048_576

const chunkBytes = 65_536

/** All streams of a process share a reading for this time: less than a heartbeat, so that two heartbeats see two readings. */
const readingMillis = 5_000

/**
 * An established connection with bytes that are not acknowledged: addresses, ports, and how often they were sent again, or how
 * often a probe was.
 */
const outstanding =
  /^ *\d+: [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) 01 (?!00000000)[0-9A-F]{8}:[0-9A-F]{8} [0-9A-F]{2}:[0-9A-F]{8} ([0-9A-F]{8}) +\d+ +(\d+)/

const isLittleEndian = endianness() === "LE"

/** Words of 32 bits in the order of the host. */
const bytesOf = (hex: string): Buffer => {
  const bytes = Buffer.from(hex, "hex")
  return isLittleEndian ? bytes.swap32() : bytes
}

/** One form per address: IPv6 has several. */
const addressOf = (text: string): string =>
  text.includes(":") ? new URL(`http://[${text.replace(/%.*$/, "")}]`).hostname : text

const nodeAddressOf = (hex: string): string => {
  const bytes = bytesOf(hex)
  if (bytes.byteLength === 4) return bytes.join(".")
  return addressOf(
    Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(group * 2).toString(16)).join(":")
  )
}

const keyOf = (localPort: number, remoteAddress: string, remotePort: number): string =>
  `${localPort} ${remoteAddress} ${remotePort}`

/** Returns the key of the connection of a row, where what it sent is being sent again. */
const silentIn = (row: string): string | undefined => {
  const match = outstanding.exec(row)
  if (match === null) return undefined
  const [, localPort = "", remoteAddress = "", remotePort = "", repeats = "", probes = ""] = match
  if (Number.parseInt(repeats, 16) === 0 && Number(probes) === 0) return undefined
  return keyOf(Number.parseInt(localPort, 16), nodeAddressOf(remoteAddress), Number.parseInt(remotePort, 16))
}

/** Returns the key of a connection, or undefined for one that has none: it is closed, or no TCP. */
const keyOfSocket = ({ localPort, remoteAddress, remotePort }: Socket): string | undefined =>
  localPort === undefined || remoteAddress === undefined || remotePort === undefined
    ? undefined
    : keyOf(localPort, addressOf(remoteAddress), remotePort)

/** Adds the silent peers of a table. */
const readTable = async (path: string, silent: Set<string>): Promise<void> => {
  const file = await open(path)
  try {
    const buffer = Buffer.alloc(chunkBytes)
    let rest = ""
    for (let read = 0; read < tableBytesMax;) {
      const { bytesRead } = await file.read(buffer, 0, chunkBytes)
      if (bytesRead === 0) break
      read += bytesRead
      const rows = (rest + buffer.toString("latin1", 0, bytesRead)).split("\n")
      rest = rows.pop() ?? ""
      for (const row of rows) {
        const key = silentIn(row)
        if (key !== undefined) silent.add(key)
      }
    }
  } finally {
    await file.close()
  }
}

const readTables = async (): Promise<ReadonlySet<string>> => {
  const silent = new Set<string>()
  // A table that is absent or may not be read: no peer of it counts as silent.
  await Promise.allSettled(tables.map((path) => readTable(path, silent)))
  return silent
}

/** Returns a check of one connection. Checks of one time share a reading, which is none of theirs to interrupt. */
export const make = () => {
  let readMillis = -Infinity
  let reading: Promise<ReadonlySet<string>> = Promise.resolve(new Set<string>())
  return Effect.fnUntraced(function* (socket: Socket) {
    const key = keyOfSocket(socket)
    if (key === undefined) return false
    const nowMillis = yield* Clock.currentTimeMillis
    if (nowMillis - readMillis >= readingMillis) {
      readMillis = nowMillis
      reading = readTables()
    }
    return (yield* Effect.promise(() => reading)).has(key)
  })
}
