/**
 * A process of a shop: 64 callers ask one key and, when denied, come again after `Retry-After`. It prints how many were
 * admitted, and ends when the time is over and the bucket is empty. Its last line has the instant, by the machine's monotonic clock,
 * at which the last denied request was sent: the bucket was found empty after it.
 *
 * Its wall clock is an hour ahead, and an hour behind from the middle on, when `CLOCK` is `wrong`.
 */
import { connect } from "@hypermarket/core/Promises"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { setTimeout as sleep } from "node:timers/promises"

const [url = "", rate = "", burst = "", seconds = "", clock = ""] = process.argv.slice(2)
const hourMillis = 3_600_000
const callers = 64
/** A process that is killed has printed all but the last few. */
const printedEvery = 16
const lengthMillis = Number(seconds) * 1_000
const startedMillis = performance.now()
const elapsedMillis = () => performance.now() - startedMillis

if (clock === "wrong") {
  const wall: { now: () => number } = Date
  const right = wall.now
  wall.now = () => right() + (elapsedMillis() < lengthMillis / 2 ? hourMillis : -hourMillis)
}

await using hm = await connect({ connectionString: url, domains: [QuotasDomain], pool: { max: 3 } })
const limit = await hm.tenant("acme").limits.open({
  name: "hot",
  rate: Number(rate),
  burst: Number(burst),
  per: "1 second",
  whenUnavailable: "closed"
})

let admitted = 0
let lastAskedSeconds = 0
const nanosPerSecond = 1e9
const print = () => process.stdout.write(`${admitted}\n`)

const call = async () => {
  for (;;) {
    const askedSeconds = Number(process.hrtime.bigint()) / nanosPerSecond
    const { allowed, headers } = await limit.take("everybody")
    if (allowed) {
      admitted++
      if (admitted % printedEvery === 0) print()
      continue
    }
    print()
    if (elapsedMillis() >= lengthMillis) {
      lastAskedSeconds = Math.max(lastAskedSeconds, askedSeconds)
      return
    }
    // Clients spread their tries, and never come earlier.
    await sleep(Number(headers["retry-after"]) * 1_000 + Math.random() * 200)
  }
}
await Promise.all(Array.from({ length: callers }, call))
process.stdout.write(`${admitted} ${lastAskedSeconds}\n`)
