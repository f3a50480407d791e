import { assert, layer } from "@effect/vitest"
import * as Domain from "@hypermarket/core/Domain"
import * as Migrations from "@hypermarket/core/Migrations"
import { connect } from "@hypermarket/core/Promises"
import * as Service from "@hypermarket/core/Service"
import { Tenant } from "@hypermarket/core/Tenant"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { Context, Effect, Layer, Schema, Stream } from "effect"
import * as Door from "./suites/door.ts"

class Numbers extends Context.Service<
  Numbers,
  {
    readonly upTo: (max: bigint) => Stream.Stream<bigint>
    readonly sum: (first: bigint, ...rest: ReadonlyArray<bigint>) => Effect.Effect<bigint>
    readonly fails: Effect.Effect<never>
  }
>()("adoption/Numbers") {}

let openHandles = 0

interface Greeter {
  readonly greet: (name: string) => string
}

const numbers = Domain.make({
  name: "numbers",
  tables: [],
  migrations: Migrations.make("numbers", {}, { release: "0.1.0" }),
  layer: Layer.succeed(Numbers, {
    upTo: (max) => Stream.map(Stream.range(1, Number(max)), BigInt),
    sum: (first, ...rest) => Effect.succeed(rest.reduce((sum, next) => sum + next, first)),
    fails: Effect.die(new RangeError("a mistake of ours"))
  }),
  services: {
    numbers: Service.make(Numbers, {
      upTo: [Schema.BigIntFromString],
      sum: [Schema.BigIntFromString, Service.rest(Schema.BigIntFromString)],
      fails: []
    }),
    greeters: Service.local(Schema.Struct({ word: Schema.String }), ({ word }) =>
      Effect.gen(function* () {
        const { id } = yield* Tenant
        yield* Effect.acquireRelease(
          Effect.sync(() => openHandles++),
          () => Effect.sync(() => openHandles--)
        )
        return { greet: (name: string) => `${word} ${name} of ${id}` } satisfies Greeter
      })
    )
  }
})

layer(Door.layerDatabase, { excludeTestServices: true })("A domain of one's own", (it) => {
  const open = Effect.flatMap(Door.url, (connectionString) =>
    Effect.acquireRelease(
      Effect.promise(() => connect({ connectionString, domains: [EventsDomain, numbers] })),
      (hm) => Effect.promise(() => hm.close())
    )
  )

  it.effect("has streams as async iterables, which a break or a signal ends, and rest arguments", () =>
    Effect.gen(function* () {
      const hm = yield* open
      const acme = hm.tenant("acme")
      yield* Effect.promise(async () => {
        const seen: Array<string> = []
        for await (const item of acme.numbers.upTo(1_000_000n)) {
          seen.push(item)
          if (seen.length === 3) break
        }
        assert.deepStrictEqual(seen, ["1", "2", "3"])
        assert.strictEqual(await acme.numbers.sum("1", 2n, "3"), "6")
        const reason = new Error("enough")
        const controller = new AbortController()
        const aborted = async () => {
          for await (const item of acme.with({ signal: controller.signal }).numbers.upTo("1000000")) {
            if (item === "2") controller.abort(reason)
          }
        }
        assert.strictEqual(await Door.rejection(aborted()), reason)
      })
    })
  )

  it.effect("throws its defects as they are", () =>
    Effect.gen(function* () {
      const hm = yield* open
      const error = yield* Effect.promise(() => Door.rejection(hm.tenant("acme").numbers.fails()))
      assert.instanceOf(error, RangeError)
      assert.include(error.stack ?? "", "PromisesOwnDomain.test.ts")
    })
  )

  it.effect("opens a handle once for equal options, and ends it with its last caller or the connection", () =>
    Effect.gen(function* () {
      const hm = yield* open
      const acme = hm.tenant("acme")
      yield* Effect.promise(async () => {
        const [one, other] = await Promise.all([
          acme.greeters.open({ word: "Hello" }),
          acme.greeters.open({ word: "Hello" })
        ])
        assert.strictEqual(one.greet("Ada"), "Hello Ada of acme")
        assert.strictEqual(openHandles, 1)
        await one.close()
        await one.close()
        assert.strictEqual(openHandles, 1)
        await other.close()
        assert.strictEqual(openHandles, 0)
        await acme.greeters.open({ word: "Good day" })
        const error = await Door.rejection(Door.untyped(acme.greeters.open, { word: 1 }))
        assert.deepInclude(error, { _tag: "InvalidArgument", method: "greeters.open" })
        await hm.close()
        assert.strictEqual(openHandles, 0)
      })
    })
  )
})
