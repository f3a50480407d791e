import { assert, describe, it } from "@effect/vitest"
import {
  FairScheduler,
  type Selection,
  type Settings
} from "@hypermarket/queue/internal/claiming/fairScheduler"

const usual: Settings = { paused: false, weight: 1, isLimited: false }

const schedulerOf = (options: {
  readonly settings?: Readonly<Record<string, Settings>>
  readonly capacity?: Readonly<Record<string, number>>
}) => {
  // A fixed sequence instead of random numbers: a failure is repeatable.
  let n = 0
  return new FairScheduler({
    handles: () => true,
    settingsOf: (tenantId) => options.settings?.[tenantId] ?? usual,
    capacityOf: (queue) => options.capacity?.[queue] ?? 1_000_000,
    random: () => (n++ * 0.618_033_988_75) % 1
  })
}

const flow = (tenantId: string, queue = "q", priority = 0) => ({ tenantId, queue, priority })

const tenantsOf = (selection: Selection | undefined) =>
  (selection?.selected ?? []).map((each) => each.flow.tenantId)

/** Reports that every selected flow had the jobs of its quantum. */
const serve = (
  scheduler: FairScheduler,
  selection: Selection | undefined,
  seq: number,
  nowMillis: number
) => {
  for (const each of selection?.selected ?? []) scheduler.report(each, each.quantum, seq, false, nowMillis)
}

describe("The fair scheduler", () => {
  it("puts a newcomer into the next claim, before every backlogged flow", () => {
    const scheduler = schedulerOf({})
    for (let n = 0; n < 500; n++) scheduler.add(flow(`big-${n}`))
    for (let round = 1; round <= 40; round++) serve(scheduler, scheduler.select(500, 20, round), round, round)
    scheduler.add(flow("small"))
    assert.strictEqual(tenantsOf(scheduler.select(500, 20, 41))[0], "small")
  })

  it("claims newcomers alone, and alternates with claims of the backlog", () => {
    const scheduler = schedulerOf({})
    scheduler.add(flow("big"))
    for (let round = 1; round <= 3; round++) serve(scheduler, scheduler.select(500, 20, round), round, round)
    let bigClaims = 0
    for (let round = 4; round < 44; round++) {
      scheduler.add(flow(`small-${round}-a`))
      scheduler.add(flow(`small-${round}-b`))
      const selection = scheduler.select(500, 20, round)
      const tenants = tenantsOf(selection)
      if (tenants.includes("big")) bigClaims++
      else assert.isTrue(selection?.isMore)
      assert.isTrue(tenants.includes(`small-${round}-a`))
      for (const each of selection?.selected ?? []) {
        scheduler.report(each, each.flow.tenantId === "big" ? each.quantum : 1, round, false, round)
      }
    }
    assert.strictEqual(bigClaims, 20)
  })

  it("serves a thousand backlogged tenants equally, regardless of their order of arrival", () => {
    const scheduler = schedulerOf({})
    const served = new Map<string, number>()
    for (let n = 0; n < 1_000; n++) scheduler.add(flow(`t${n}`))
    for (let round = 1; round <= 500; round++) {
      const selection = scheduler.select(500, 20, round)
      for (const each of selection?.selected ?? []) {
        served.set(each.flow.tenantId, (served.get(each.flow.tenantId) ?? 0) + each.quantum)
      }
      serve(scheduler, selection, round, round)
    }
    // 500 claims of 20 flows: ten turns each.
    assert.strictEqual(served.size, 1_000)
    assert.deepStrictEqual(new Set(served.values()), new Set([250]))
  })

  it("shares claims by weight", () => {
    const scheduler = schedulerOf({ settings: { heavy: { ...usual, weight: 3 } } })
    scheduler.add(flow("heavy"))
    scheduler.add(flow("light"))
    const served = { heavy: 0, light: 0 }
    for (let round = 1; round <= 400; round++) {
      const selection = scheduler.select(100, 20, round)
      for (const { flow: selected, quantum } of selection?.selected ?? []) {
        if (selected.tenantId === "heavy") served.heavy += quantum
        else served.light += quantum
      }
      serve(scheduler, selection, round, round)
    }
    assert.approximately(served.heavy / served.light, 3, 0.1)
  })

  it("holds back jobs of lower priority, paused queues, and queues without capacity", () => {
    const scheduler = schedulerOf({
      settings: { paused: { ...usual, paused: true } },
      capacity: { full: 0, narrow: 7 }
    })
    scheduler.add(flow("a", "q", 0))
    scheduler.add(flow("a", "q", 5))
    scheduler.add(flow("paused"))
    scheduler.add(flow("b", "full"))
    scheduler.add(flow("c", "narrow"))
    scheduler.add(flow("d", "narrow"))
    const selected = scheduler.select(500, 20, 1)?.selected ?? []
    assert.deepStrictEqual(
      selected.filter((each) => each.flow.queue === "q").map((each) => each.flow.priority),
      [5]
    )
    assert.deepStrictEqual(new Set(selected.map((each) => each.flow.queue)), new Set(["q", "narrow"]))
    const narrow = selected
      .filter((each) => each.flow.queue === "narrow")
      .reduce((sum, each) => sum + each.quantum, 0)
    assert.isAtMost(narrow, 7)
  })

  it("claims a limited flow alone, and not before its limit allows", () => {
    const scheduler = schedulerOf({ settings: { limited: { ...usual, isLimited: true } } })
    scheduler.add(flow("limited"))
    const first = scheduler.select(500, 20, 1)
    assert.isTrue(first?.isLimited)
    const [selected] = first?.selected ?? []
    assert.isDefined(selected)
    if (selected === undefined) return
    scheduler.block(selected, 100)
    assert.isUndefined(scheduler.select(500, 20, 99))
    assert.strictEqual(scheduler.nextMillis(99), 100)
    assert.deepStrictEqual(tenantsOf(scheduler.select(500, 20, 100)), ["limited"])
    scheduler.add(flow("free"))
    scheduler.add(flow("other"))
    const claims = [scheduler.select(500, 20, 101), scheduler.select(500, 20, 102)].map(tenantsOf)
    assert.isTrue(claims.every((tenants) => !tenants.includes("limited") || tenants.length === 1))
  })

  it("begins where the last claim of a busy flow ended, and looks back before the flow counts as empty", () => {
    const scheduler = schedulerOf({})
    scheduler.add(flow("a"))
    const next = (nowMillis: number) => scheduler.select(10, 20, nowMillis)?.selected[0]
    const first = next(2_000)
    assert.strictEqual(first?.flow.hint, 0)
    if (first === undefined) return
    assert.isTrue(scheduler.report(first, 10, 500, false, 2_000))
    const busy = next(2_010)
    assert.strictEqual(busy?.flow.hint, 500)
    if (busy === undefined) return
    // There may be jobs of a slower transaction before it.
    assert.isTrue(scheduler.report(busy, 3, 510, false, 2_010))
    const back = next(2_011)
    assert.isBelow(back?.flow.hint ?? 500, 500)
    if (back === undefined) return
    assert.isTrue(scheduler.report(back, 10, 490, false, 2_011))
    // A busy flow looks back at intervals too.
    assert.strictEqual(next(2_020)?.flow.hint, 500)
    assert.isBelow(next(2_100)?.flow.hint ?? 500, 500)
  })

  it("claims a flow once more without its hint when it was empty with it", () => {
    const scheduler = schedulerOf({})
    scheduler.add(flow("t"))
    // Two full claims far enough apart give the flow a hint.
    for (const [seq, at] of [
      [100, 1_000],
      [200, 1_300],
      [300, 1_600]
    ] as const) {
      serve(scheduler, scheduler.select(10, 20, at), seq, at)
    }
    const [short] = scheduler.select(10, 20, 1_700)?.selected ?? []
    assert.isAbove(short?.flow.hint ?? 0, 0)
    if (short === undefined) return
    scheduler.report(short, 0, 0, false, 1_700)
    assert.isUndefined(scheduler.select(10, 20, 1_800))
    const again = scheduler.nextMillis(1_800)
    assert.isBelow(again, 3_000)
    const [unhinted] = scheduler.select(10, 20, again)?.selected ?? []
    assert.strictEqual(unhinted?.flow.hint, 0)
    if (unhinted === undefined) return
    scheduler.report(unhinted, 0, 0, false, again)
    assert.strictEqual(scheduler.nextMillis(again), Number.POSITIVE_INFINITY)
    scheduler.add(flow("t"))
    assert.deepStrictEqual(tenantsOf(scheduler.select(10, 20, again + 1)), ["t"])
  })
})
