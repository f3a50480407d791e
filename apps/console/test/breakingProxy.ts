/** A proxy whose connections break on demand, as they do when the API behind it is started again. */
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"

export interface Proxy extends AsyncDisposable {
  readonly port: number
  /** Ends every connection in the middle of what it carries. */
  readonly breakAll: () => void
}

export const start = async (port: number): Promise<Proxy> => {
  const sockets = new Set<Socket>()
  const breakAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  const server = createServer((inside) => {
    const outside = connect(port, "127.0.0.1")
    for (const [socket, other] of [
      [inside, outside],
      [outside, inside]
    ] as const) {
      sockets.add(socket)
      socket.on("error", () => socket.destroy())
      socket.on("close", () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    port: (server.address() as AddressInfo).port,
    breakAll,
    [Symbol.asyncDispose]: async () => {
      breakAll()
      server.close()
      await once(server, "close")
    }
  }
}
