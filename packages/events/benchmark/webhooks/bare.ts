/** The peer of `bench webhooks`: the same bodies posted by Node's own client, without a signature, a queue or a record. */
import * as Http from "node:http"

const settings = JSON.parse(process.env["BENCH_SETTINGS"] ?? "{}") as {
  readonly url: string
  readonly posts: number
  readonly atOnce: number
  /** Without it each request has a new connection, as a delivery has. */
  readonly keepAlive: boolean
}

const agent = new Http.Agent({ keepAlive: settings.keepAlive, maxSockets: settings.atOnce })

const post = (n: number) =>
  new Promise<void>((resolve, reject) => {
    const body = JSON.stringify({
      specversion: "1.0",
      id: String(n),
      source: "/bench",
      type: "com.example.bench.made",
      time: new Date().toISOString(),
      datacontenttype: "application/json",
      data: { n, padding: "x".repeat(200) }
    })
    const request = Http.request(
      settings.url,
      { agent, method: "POST", headers: { "content-type": "application/cloudevents+json" } },
      (response) => response.resume().once("end", resolve).once("error", reject)
    )
    request.once("error", reject).end(body)
  })

let next = 0
const lane = async () => {
  while (next < settings.posts) await post(next++)
}

await Promise.all(Array.from({ length: settings.atOnce }, lane))
agent.destroy()
