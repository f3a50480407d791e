/**
 * A process of a shop: 64 callers ask one key and, when denied, come again after `Retry-After`. It prints how many were
 * admitted. After SIGTERM each of its callers ends once it is denied, and the process gives its leases back.
 *
 * When `CLOCK` is `wrong` its wall clock is an hour ahead and an hour behind, by turns of two seconds.
 */
import { connect } from "@hypermarket/core/Promises"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { setTimeout as sleep } from "node:timers/promises"

const [url = "", tenant = "", rate = "", burst = "", clock = ""] = process.argv.slice(2)
const hourMillis = 3_600_000
const turnMillis = 2_000
const callers = 64
/** A process that is killed has printed all but the last few. */
const printedEvery = 16

let isOver = false
process.once("SIGTERM", () => {
  isOver = true
})

if (clock === "wrong") {
  const wall: { now: () => number } = Date
  const right = wall.now
  wall.now = () => right() + (Math.floor(performance.now() / turnMillis) % 2 === 0 ? hourMillis : -hourMillis)
}

await using hm = await connect({ connectionString: url, domains: [QuotasDomain], pool: { max: 3 } })
const limit = await hm.tenant(tenant).limits.open({
  name: "hot",
  rate: Number(rate),
  burst: Number(burst),
  per: "1 second",
  whenUnavailable: "closed"
})

let admitted = 0
const print = () => process.stdout.write(`${admitted}\n`)

const call = async () => {
  for (;;) {
    const { allowed, headers } = await limit.take("everybody")
    if (allowed) {
      admitted++
      if (admitted % printedEvery === 0) print()
      continue
    }
    print()
    if (isOver) return
    // Clients spread their tries, and never come earlier.
    await sleep(Number(headers["retry-after"]) * 1_000 + Math.random() * 200)
  }
}
await Promise.all(Array.from({ length: callers }, call))
print()
