import { assert, describe, it } from "@effect/vitest"
import { type Definition, Lanes, type Pick } from "@hypermarket/core/internal/workQueue/lanes"

const usual: Definition = { paused: false, weight: 1, isLimited: false }

const lanesOf = (options: {
  readonly definitions?: Readonly<Record<string, Definition>>
  readonly room?: Readonly<Record<string, number>>
}) => {
  // A fixed sequence in place of chance: ties are broken, and a failure is repeatable.
  let n = 0
  return new Lanes({
    handles: () => true,
    definitionOf: (tenantId) => options.definitions?.[tenantId] ?? usual,
    roomOf: (queue) => options.room?.[queue] ?? 1_000_000,
    random: () => (n++ * 0.618_033_988_75) % 1
  })
}

const lane = (tenantId: string, queue = "q", priority = 0) => ({ tenantId, queue, priority })

const tenantsOf = (pick: Pick | undefined) => (pick?.picked ?? []).map((one) => one.lane.tenantId)

/** Every picked lane had as much as it was asked for. */
const serve = (lanes: Lanes, pick: Pick | undefined, seq: number, nowMillis: number) => {
  for (const one of pick?.picked ?? []) lanes.found(one, one.quantum, seq, false, nowMillis)
}

describe("Lanes", () => {
  it("put a newcomer into the very next claim, before all that have a backlog", () => {
    const lanes = lanesOf({})
    for (let n = 0; n < 500; n++) lanes.add(lane(`big-${n}`))
    for (let round = 1; round <= 40; round++) serve(lanes, lanes.pick(500, 20, round), round, round)
    lanes.add(lane("small"))
    assert.strictEqual(tenantsOf(lanes.pick(500, 20, 41))[0], "small")
  })

  it("give newcomers a short claim of their own, and then the others their turn", () => {
    const lanes = lanesOf({})
    lanes.add(lane("big"))
    for (let round = 1; round <= 3; round++) serve(lanes, lanes.pick(500, 20, round), round, round)
    let bigClaims = 0
    for (let round = 4; round < 44; round++) {
      lanes.add(lane(`small-${round}-a`))
      lanes.add(lane(`small-${round}-b`))
      const pick = lanes.pick(500, 20, round)
      const tenants = tenantsOf(pick)
      if (tenants.includes("big")) bigClaims++
      else assert.isTrue(pick?.isMore)
      assert.isTrue(tenants.includes(`small-${round}-a`))
      for (const one of pick?.picked ?? []) {
        lanes.found(one, one.lane.tenantId === "big" ? one.quantum : 1, round, false, round)
      }
    }
    assert.strictEqual(bigClaims, 20)
  })

  it("serve a thousand backlogged tenants alike, whatever order they came in", () => {
    const lanes = lanesOf({})
    const served = new Map<string, number>()
    for (let n = 0; n < 1_000; n++) lanes.add(lane(`t${n}`))
    for (let round = 1; round <= 500; round++) {
      const pick = lanes.pick(500, 20, round)
      for (const one of pick?.picked ?? []) {
        served.set(one.lane.tenantId, (served.get(one.lane.tenantId) ?? 0) + one.quantum)
      }
      serve(lanes, pick, round, round)
    }
    // 500 claims of 20 lanes: ten turns each.
    assert.strictEqual(served.size, 1_000)
    assert.deepStrictEqual(new Set(served.values()), new Set([250]))
  })

  it("give work by weight", () => {
    const lanes = lanesOf({ definitions: { heavy: { ...usual, weight: 3 } } })
    lanes.add(lane("heavy"))
    lanes.add(lane("light"))
    const served = { heavy: 0, light: 0 }
    for (let round = 1; round <= 400; round++) {
      const pick = lanes.pick(100, 20, round)
      for (const { lane: picked, quantum } of pick?.picked ?? []) {
        if (picked.tenantId === "heavy") served.heavy += quantum
        else served.light += quantum
      }
      serve(lanes, pick, round, round)
    }
    assert.approximately(served.heavy / served.light, 3, 0.1)
  })

  it("hold back less urgent jobs of a queue, paused queues, and what there is no room for", () => {
    const lanes = lanesOf({
      definitions: { paused: { ...usual, paused: true } },
      room: { full: 0, narrow: 7 }
    })
    lanes.add(lane("a", "q", 0))
    lanes.add(lane("a", "q", 5))
    lanes.add(lane("paused"))
    lanes.add(lane("b", "full"))
    lanes.add(lane("c", "narrow"))
    lanes.add(lane("d", "narrow"))
    const picked = lanes.pick(500, 20, 1)?.picked ?? []
    assert.deepStrictEqual(
      picked.filter((one) => one.lane.queue === "q").map((one) => one.lane.priority),
      [5]
    )
    assert.deepStrictEqual(new Set(picked.map((one) => one.lane.queue)), new Set(["q", "narrow"]))
    const narrow = picked
      .filter((one) => one.lane.queue === "narrow")
      .reduce((sum, one) => sum + one.quantum, 0)
    assert.isAtMost(narrow, 7)
  })

  it("claim a lane with limits by itself, and leave it alone for as long as its limit says", () => {
    const lanes = lanesOf({ definitions: { limited: { ...usual, isLimited: true } } })
    lanes.add(lane("limited"))
    const first = lanes.pick(500, 20, 1)
    assert.isTrue(first?.isLimited)
    const [picked] = first?.picked ?? []
    assert.isDefined(picked)
    if (picked === undefined) return
    lanes.block(picked, 100)
    assert.isUndefined(lanes.pick(500, 20, 99))
    assert.strictEqual(lanes.nextMillis(99), 100)
    assert.deepStrictEqual(tenantsOf(lanes.pick(500, 20, 100)), ["limited"])
    lanes.add(lane("free"))
    lanes.add(lane("other"))
    const claims = [lanes.pick(500, 20, 101), lanes.pick(500, 20, 102)].map(tenantsOf)
    assert.isTrue(claims.every((tenants) => !tenants.includes("limited") || tenants.length === 1))
  })

  it("begin where the last claim of a busy lane ended, and look back before they take it for empty", () => {
    const lanes = lanesOf({})
    lanes.add(lane("a"))
    const next = (nowMillis: number) => lanes.pick(10, 20, nowMillis)?.picked[0]
    const first = next(2_000)
    assert.strictEqual(first?.lane.hint, 0)
    if (first === undefined) return
    assert.isTrue(lanes.found(first, 10, 500, false, 2_000))
    const busy = next(2_010)
    assert.strictEqual(busy?.lane.hint, 500)
    if (busy === undefined) return
    // A slower transaction's jobs may stand before it.
    assert.isTrue(lanes.found(busy, 3, 510, false, 2_010))
    const back = next(2_011)
    assert.isBelow(back?.lane.hint ?? 500, 500)
    if (back === undefined) return
    assert.isTrue(lanes.found(back, 10, 490, false, 2_011))
    // A busy lane looks back from time to time, too.
    assert.strictEqual(next(2_020)?.lane.hint, 500)
    assert.isBelow(next(2_100)?.lane.hint ?? 500, 500)
  })

  it("look once more, without the hint, at a lane that seemed empty with it", () => {
    const lanes = lanesOf({})
    lanes.add(lane("t"))
    // Two full claims far enough apart give the lane a hint.
    for (const [seq, at] of [
      [100, 1_000],
      [200, 1_300],
      [300, 1_600]
    ] as const) {
      serve(lanes, lanes.pick(10, 20, at), seq, at)
    }
    const [short] = lanes.pick(10, 20, 1_700)?.picked ?? []
    assert.isAbove(short?.lane.hint ?? 0, 0)
    if (short === undefined) return
    lanes.found(short, 0, 0, false, 1_700)
    assert.isUndefined(lanes.pick(10, 20, 1_800))
    const again = lanes.nextMillis(1_800)
    assert.isBelow(again, 3_000)
    const [unhinted] = lanes.pick(10, 20, again)?.picked ?? []
    assert.strictEqual(unhinted?.lane.hint, 0)
    if (unhinted === undefined) return
    lanes.found(unhinted, 0, 0, false, again)
    assert.strictEqual(lanes.nextMillis(again), Number.POSITIVE_INFINITY)
    lanes.add(lane("t"))
    assert.deepStrictEqual(tenantsOf(lanes.pick(10, 20, again + 1)), ["t"])
  })
})
