/** Sizes of leases and their renewal, by a clock and a database of this test. */
import { assert, describe, it } from "@effect/vitest"
import type { Bound } from "@hypermarket/quotas/internal/bucket"
import * as Leases from "@hypermarket/quotas/internal/leases"

const bound: Bound = {
  owner: "acme",
  policy: "hot",
  bucket: "u",
  key: "acme hot u",
  kind: "gcra",
  quota: 700_000,
  burst: 700_000,
  periodMicros: 50_000_000,
  changedMicros: 0,
  shadow: false,
  whenUnavailable: "open"
}
const lifeMillis = 1_000

/** Leases whose database grants each request, of a bucket with this much room. */
const start = (room: number) => {
  const asked: Array<number> = []
  let now = 10_000
  const measured = () => ({
    nowMicros: now * 1_000,
    debt: BigInt(bound.burst - room) * BigInt(bound.periodMicros),
    returned: 0n,
    entries: []
  })
  const leases = Leases.make(
    () => now,
    (_, tokens, complete) => {
      asked.push(tokens)
      complete({ granted: true, measured: [measured()], sentMillis: now })
    }
  )
  /** Returns how many of the checks ask the database. */
  const take = (count: number) => {
    let decided = 0
    for (let index = 0; index < count; index++) {
      if (leases.take(bound, 1, now) !== undefined) continue
      decided++
      leases.prepare(bound, now)
      leases.observe(bound, measured())
    }
    return decided
  }
  return { leases, asked, take, pass: (millis: number) => (now += millis), now: () => now }
}

describe("sizes of leases", () => {
  it("a bucket with much room leases spare tokens once it is asked for twice in a life", () => {
    const { asked, take } = start(bound.burst)
    assert.strictEqual(take(1), 1)
    assert.deepStrictEqual(asked, [])
    take(1)
    assert.strictEqual(asked.length, 1)
    assert.isAbove(asked[0] ?? 0, 20)
    // They decide the next checks without the database.
    assert.strictEqual(take(asked[0] ?? 0), 0)
  })

  it("spare tokens are at most a thousandth of the room, and none of a bucket with little", () => {
    const some = start(9_000)
    some.take(2)
    assert.deepStrictEqual(some.asked, [9])
    const little = start(1_900)
    little.take(2)
    assert.deepStrictEqual(little.asked, [])
  })

  it("a lease in use is renewed before it ends, and what is left of it is given back", () => {
    const { asked, leases, now, pass, take } = start(9_000)
    take(2)
    pass(lifeMillis / 2)
    assert.strictEqual(take(1), 0)
    assert.lengthOf(asked, 1)
    pass(lifeMillis * 0.3)
    assert.strictEqual(take(1), 0)
    assert.lengthOf(asked, 2)
    // The first lease would have ended by now.
    pass(lifeMillis * 0.3)
    assert.strictEqual(take(1), 0)
    assert.deepStrictEqual(
      leases.expire(now()).map(({ tokens }) => tokens),
      [7]
    )
  })
})
