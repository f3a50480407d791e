import { assert, layer } from "@effect/vitest"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { Issues } from "@hypermarket/observability/Issues"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import { Effect, Layer } from "effect"
import { capture, eventOf, issuesOf, layerServer, newTenant, projectOf } from "./errorServer.ts"

layer(layerServer.pipe(Layer.orDie), { excludeTestServices: true })("The timeline", (it) => {
  it.effect(
    "of an order, seller or customer has the errors that carry it, one item per issue, and no other tenant's",
    () =>
      Effect.gen(function* () {
        const issues = yield* Issues
        const tenant = newTenant("timeline")
        const stranger = newTenant("timeline")
        const as = provide(TenantId.make(tenant))
        const { timeline } = yield* ObservabilityDomain.domain.start
        if (timeline === undefined) return yield* Effect.die(new Error("there is no timeline"))
        const project = yield* projectOf(tenant)
        const send = (name: string, tags: Readonly<Record<string, string>>, user: string) =>
          capture(
            tenant,
            project,
            eventOf({ functions: [name], value: name, event: { tags, user: { id: user } } })
          )
        yield* send("pay", { order_id: "o-71", seller_id: "s-3" }, "c-1")
        yield* send("pay", { order_id: "o-71" }, "c-1")
        yield* send("ship", { order_id: "o-71", customer_id: "c-2" }, "c-9")
        yield* send("mail", { order_id: "o-72" }, "c-2")
        const strangers = yield* projectOf(stranger)
        yield* capture(stranger, strangers, eventOf({ event: { tags: { order_id: "o-71" } } }))
        const read = Effect.fnUntraced(function* (kind: "order" | "seller" | "customer", id: string) {
          const list = []
          let before: { readonly at: Date; readonly itemId: string } | undefined
          for (;;) {
            const [item] = yield* timeline({ subject: { kind, id }, before, limit: 1 }).pipe(as)
            if (item === undefined) return list
            list.push(item)
            before = { at: new Date(item.at.epochMilliseconds), itemId: item.itemId }
          }
        })
        const titles = (list: ReadonlyArray<{ readonly data: unknown }>) =>
          list.map(({ data }) => JSON.stringify(data).replace(/.*TypeError: (\w+).*/, "$1")).toSorted()
        const ofOrder = yield* read("order", "o-71")
        assert.deepStrictEqual(titles(ofOrder), ["pay", "ship"])
        assert.isTrue(ofOrder.every(({ kind }) => kind === "error.seen"))
        assert.deepStrictEqual(titles(yield* read("seller", "s-3")), ["pay"])
        assert.deepStrictEqual(titles(yield* read("customer", "c-1")), ["pay"])
        assert.deepStrictEqual(titles(yield* read("customer", "c-2")), ["mail", "ship"])
        assert.deepStrictEqual(yield* read("order", "o-7"), [])

        const found = yield* issuesOf(tenant)
        const idOf = (name: string) => found.find(({ title }) => title.endsWith(name))?.issueId
        const pay = idOf("pay")
        const ship = idOf("ship")
        if (pay === undefined || ship === undefined) return yield* Effect.die(new Error("issues"))
        yield* issues.merge(pay, [ship], "same cause").pipe(as)
        assert.deepStrictEqual(
          (yield* read("order", "o-71")).map(({ itemId }) => itemId),
          [pay]
        )
      }).pipe(Effect.provideService(AllTenants, { actor: "test" }), Effect.scoped)
  )
})
