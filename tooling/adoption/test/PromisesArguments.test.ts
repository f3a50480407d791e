import { assert, layer } from "@effect/vitest"
import * as Commerce from "@hypermarket/core/Commerce"
import { errorsOf } from "@hypermarket/core/InputErrors"
import * as Json from "@hypermarket/core/Json"
import * as Domain from "@hypermarket/core/Domain"
import * as Migrations from "@hypermarket/core/Migrations"
import { connect } from "@hypermarket/core/Promises"
import * as Service from "@hypermarket/core/Service"
import { Context, Effect, Layer, Result, Schema } from "effect"
import * as Door from "./suites/door.ts"

const Size = Schema.Struct({ width: Schema.Int, height: Schema.optionalKey(Schema.Int) })

class Crate extends Schema.Class<Crate>("Crate")({ size: Size, labels: Schema.Array(Size) }) {}

interface Shelf {
  readonly name: string
  readonly inner: ReadonlyArray<Shelf>
}

const Shelf: Schema.Codec<Shelf> = Schema.Struct({
  name: Schema.String,
  inner: Schema.Array(Schema.suspend(() => Shelf))
})

const schemas: Readonly<Record<string, Schema.Codec<unknown, unknown>>> = {
  struct: Size,
  nested: Schema.Struct({ a: Schema.Struct({ b: Schema.Array(Size) }) }),
  nullable: Schema.Struct({ size: Schema.NullOr(Size) }),
  "two shapes": Schema.Union([Size, Schema.Struct({ width: Schema.Int, unit: Schema.String })]),
  "a shape and a part of it": Schema.Union([
    Schema.Struct({ width: Schema.Int, unit: Schema.String }),
    Schema.Struct({ width: Schema.Int })
  ]),
  "shape or JSON": Schema.Union([Size, Json.make({})]),
  recursive: Shelf,
  record: Schema.Record(Schema.String, Size),
  "record of some names": Schema.Record(Schema.String.check(Schema.isPattern(/^[a-z]$/)), Schema.Int),
  tuple: Schema.Tuple([Size, Schema.String]),
  text: Schema.fromJsonString(Size),
  default: Schema.Struct({ size: Size.pipe(Schema.withDecodingDefaultKey(Effect.succeed({ width: 1 }))) }),
  class: Crate,
  empty: Schema.Struct({}),
  json: Json.make({}),
  order: Commerce.Order
}

const line = { lineId: "1", productId: "p-1", sellerId: "s-1", quantity: 1, unitPrice: "5" }
const order = {
  orderId: "o-1",
  version: 1,
  status: "placed",
  placedAt: "2026-04-02T09:00:00Z",
  channel: "web",
  region: "DE",
  currency: "EUR",
  lines: [line]
}

const values: ReadonlyArray<unknown> = [
  null,
  7,
  "text",
  [],
  {},
  { width: 3 },
  { width: 3, height: 4 },
  { width: 3, depth: 5 },
  { width: "3" },
  { width: 3, unit: "cm" },
  { width: 3, unit: 7 },
  { a: { b: [{ width: 1 }] } },
  { a: { b: [{ width: 1 }, { width: 2, depth: 3 }] } },
  { size: null },
  { size: { width: 1, depth: 2 } },
  { x: { width: 1 }, y: { width: 2, depth: 3 } },
  { x: 1 },
  { x: 1, long: 2 },
  { name: "top", inner: [{ name: "low", inner: [], colour: "red" }] },
  { name: "top", inner: [{ name: "low", inner: [] }] },
  [{ width: 1, depth: 2 }, "a"],
  [{ width: 1 }, "a", "b"],
  '{"width":1}',
  '{"width":1,"depth":2}',
  { size: { width: 1 }, labels: [{ width: 2, depth: 3 }] },
  { size: { width: 1 }, labels: [] },
  order,
  { ...order, colour: "red" },
  { ...order, lines: [{ ...line, colour: "red" }] },
  { ...order, attributes: { campaign: "spring" } }
]

const isInvalid = Schema.is(
  Schema.Struct({ _tag: Schema.Literal("InvalidArgument"), errors: Schema.Unknown })
)

const options = { onExcessProperty: "error", errors: "all" } as const

/** A method per schema, which returns its argument. */
class Shapes extends Context.Service<
  Shapes,
  { readonly [name: string]: (value: unknown) => Effect.Effect<unknown> }
>()("adoption/Shapes") {}

let received: unknown

const methodNames = new Map(Object.keys(schemas).map((name, index) => [name, `take${index}`]))

const byMethod = <A>(valueOf: (name: string) => A): Record<string, A> =>
  Object.fromEntries(Array.from(methodNames, ([name, method]) => [method, valueOf(name)]))

const shapes = Domain.make({
  name: "shapes",
  tables: [],
  migrations: Migrations.make("shapes", {}, { release: "0.1.0" }),
  layer: Layer.succeed(
    Shapes,
    byMethod(
      () => (value) =>
        Effect.sync(() => {
          received = value
        })
    )
  ),
  services: {
    shapes: Service.make(
      Shapes,
      byMethod((name) => [schemas[name] ?? Schema.Never] as const)
    )
  }
})

layer(Door.layerDatabase, { excludeTestServices: true })("An argument", (it) => {
  /** Calls the method of a schema. */
  const opened = Effect.map(
    Effect.flatMap(Door.url, (connectionString) =>
      Effect.acquireRelease(
        Effect.promise(() => connect({ connectionString, domains: [shapes] })),
        (hm) => Effect.promise(() => hm.close())
      )
    ),
    (hm) => (name: string, value: unknown) =>
      Door.untyped(Reflect.get(hm.tenant("acme").shapes, methodNames.get(name) ?? ""), value).then(
        () => Result.succeed(received),
        (error: unknown) => Result.fail(isInvalid(error) ? error.errors : error)
      )
  )

  for (const [name, schema] of Object.entries(schemas)) {
    it.effect(`is read as the parser reads it that refuses fields by any name: ${name}`, () =>
      Effect.gen(function* () {
        const take = yield* opened
        const strictly = Schema.decodeUnknownResult(schema, options)
        for (const value of values) {
          const expected: Result.Result<unknown, unknown> = Result.mapError(strictly(value), (error) =>
            errorsOf(error, [0])
          )
          const actual: Result.Result<unknown, unknown> = yield* Effect.promise(() => take(name, value))
          assert.deepStrictEqual(actual, expected, JSON.stringify(value))
        }
      })
    )
  }

  it.effect("has no fields by symbols, which JSON leaves out", () =>
    Effect.gen(function* () {
      const take = yield* opened
      const width = { width: 3, [Symbol("orm")]: { table: "size" } }
      for (const name of ["struct", "two shapes"]) {
        assert.deepStrictEqual(yield* Effect.promise(() => take(name, width)), Result.succeed({ width: 3 }))
      }
    })
  )

  it.effect("keeps a field __proto__ as the field that it is", () =>
    Effect.gen(function* () {
      const take = yield* opened
      const value: unknown = JSON.parse('{"__proto__":{"a":1},"b":2}')
      const decoded = Result.getOrThrow(yield* Effect.promise(() => take("json", value)))
      assert.strictEqual(JSON.stringify(decoded), '{"__proto__":{"a":1},"b":2}')
      assert.strictEqual(Object.getPrototypeOf(decoded), Object.prototype)
    })
  )
})
