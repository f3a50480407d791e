import { assert, describe, it } from "@effect/vitest"
import * as BodyBudget from "@hypermarket/core/BodyBudget"

const kibibyte = 1024
const limits = { process: 3_000 * kibibyte, tenant: 1_000 * kibibyte, clientKey: 300 * kibibyte }

interface Sent extends BodyBudget.Body {
  readonly isEnded: () => boolean
}

const open = (budget: BodyBudget.BodyBudget, sender: Partial<BodyBudget.Sender>, nowMillis: number): Sent => {
  let isEnded = false
  const body = budget.open({ tenantId: undefined, clientKeyId: undefined, ...sender }, nowMillis, () => {
    isEnded = true
  })
  return { ...body, isEnded: () => isEnded }
}

describe("the budget of bodies", () => {
  it("ends the slowest body of a tenant when the tenant's room is used up", () => {
    const budget = BodyBudget.make(limits)
    const fast = open(budget, { tenantId: "a" }, 0)
    const slow = open(budget, { tenantId: "a" }, 0)
    const other = open(budget, { tenantId: "b" }, 0)
    slow.received(70 * kibibyte, 100)
    other.received(kibibyte, 100)
    fast.received(900 * kibibyte, 5_000)
    assert.isFalse(slow.isEnded())
    fast.received(40 * kibibyte, 5_100)
    assert.isTrue(slow.isEnded())
    assert.isFalse(fast.isEnded())
    assert.isFalse(other.isEnded())
  })

  it("counts a body that is still arriving as 64 KiB at least, so that a client key has few of them", () => {
    const budget = BodyBudget.make(limits)
    const stalled = Array.from({ length: 9 }, (_, n) =>
      open(budget, { tenantId: "a", clientKeyId: "public" }, n)
    )
    assert.strictEqual(stalled.filter(({ isEnded }) => isEnded()).length, 0)
    const late = open(budget, { tenantId: "a", clientKeyId: "public" }, 20_000)
    assert.isFalse(late.isEnded())
    // 300 KiB are the room of four.
    assert.strictEqual(stalled.filter(({ isEnded }) => !isEnded()).length, 3)
    assert.isAtMost(budget.bytes(), limits.clientKey)
  })

  it("lets a small new body pass while a large one of the same tenant is worked on", () => {
    const budget = BodyBudget.make(limits)
    const large = open(budget, { tenantId: "a" }, 0)
    large.received(1_000 * kibibyte, 10)
    large.complete()
    const small = open(budget, { tenantId: "a" }, 20)
    small.received(2 * kibibyte, 25)
    small.complete()
    assert.isFalse(small.isEnded())
    const second = open(budget, { tenantId: "a" }, 30)
    second.received(200 * kibibyte, 35)
    assert.isTrue(second.isEnded())
    assert.isFalse(large.isEnded())
  })

  it("holds all tenants together to the room of the process, and gives room back", () => {
    const budget = BodyBudget.make(limits)
    const bodies = Array.from({ length: 4 }, (_, n) => open(budget, { tenantId: `tenant-${n}` }, 0))
    for (const [n, body] of bodies.entries()) body.received((700 + n) * kibibyte, 2_000)
    assert.isFalse(bodies.some(({ isEnded }) => isEnded()))
    bodies[3]?.received(250 * kibibyte, 2_100)
    assert.deepStrictEqual(
      bodies.map(({ isEnded }) => isEnded()),
      [true, false, false, false]
    )
    for (const body of bodies) body.release()
    assert.strictEqual(budget.bytes(), 0)
  })
})
