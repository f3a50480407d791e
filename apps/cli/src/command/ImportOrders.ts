/** `hypermarket import orders`: order facts from a file, such as the past of a shop. */
import type { OrderFactInvalid } from "@hypermarket/client"
import { linesMax, type Outcome } from "@hypermarket/analytics/OrderFact"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as ApiClient from "../ApiClient.ts"
import { type CommandFailed, orCommandFailed } from "../CommandFailed.ts"
import { fileArgument, restartFlag, textOf } from "../import/Flags.ts"
import * as Import from "../import/Import.ts"
import * as Output from "../Output.ts"
import * as Progress from "../quickstart/Progress.ts"

/** As the shop publishes it, with an envelope or without: `order.placed`, or its whole CloudEvents type. */
const Row = Schema.Struct({
  type: Schema.String.check(
    Schema.isPattern(
      /^(com\.hypermarket\.shop\.)?order\.(placed|changed|cancelled|deleted|shipped|refunded)(\.v1)?$/,
      {
        message: "Expected the type of an order's fact, such as order.placed"
      }
    )
  ),
  data: Schema.Json
})

type Fact = typeof Row.Type

const decodeRow = Schema.decodeUnknownResult(Row)

const factOf = (value: Readonly<Record<string, Schema.Json>>): Result.Result<Fact, string> =>
  Result.mapBoth(decodeRow(value), {
    onFailure: (error) => error.message,
    onSuccess: ({ data, type }) => ({
      type: type.replace("com.hypermarket.shop.", "").replace(/\.v1$/, ""),
      data
    })
  })

type Items = ReadonlyArray<Import.Item<Fact>>

const refusalsOf = (items: Items, { errors }: OrderFactInvalid): ReadonlyArray<Import.Refusal> =>
  errors.flatMap(({ message, path }) => {
    const [index, ...field] = path
    const named = items[Number(index)]
    return named === undefined ? [] : [{ line: named.line, message: `${field.join(".")}: ${message}` }]
  })

/** Orders of one request. One statement stores them, and a bulk import merges as it goes. */
const importBatchMax = 1_000

const isOfLines = Schema.is(Schema.Struct({ lines: Schema.Array(Schema.Json) }))

const linesOf = ({ item: { data } }: Items[number]): number => (isOfLines(data) ? data.lines.length : 0)

/** Parts of a batch whose lines one call may have. */
const partsOf = (items: Items): ReadonlyArray<Items> => {
  const parts: Array<Array<Items[number]>> = []
  let lines = 0
  for (const named of items) {
    lines += linesOf(named)
    const part = parts.at(-1)
    if (part === undefined || lines > linesMax) {
      parts.push([named])
      lines = linesOf(named)
    } else part.push(named)
  }
  return parts
}

const outcomeText = (outcomes: Readonly<Record<Outcome, number>>): string =>
  [
    `${outcomes.applied} are counted now`,
    `${outcomes.duplicate + outcomes.superseded} were counted before, in this version or a higher one`,
    `${outcomes.waiting} refunds and shipments are in no figure until their orders arrive`,
    `${outcomes.late} are in no figure, as the facts of their orders were removed`
  ].join("\n")

export const importOrders = Command.make(
  "orders",
  { file: fileArgument, restart: restartFlag, json: Output.jsonFlag },
  Effect.fn(
    function* ({ file, json, restart }) {
      const address = yield* ApiClient.fromEnvironment
      const call = ApiClient.make(address)

      const outcomes = { applied: 0, waiting: 0, late: 0, duplicate: 0, superseded: 0 }
      const sendOnce = (items: Items) =>
        call(({ orders }, options) =>
          orders.record({ body: { facts: items.map(({ item }) => item) } }, options)
        ).pipe(
          Effect.map((answer): ReadonlyArray<Import.Refusal> => {
            for (const outcome of answer.items) outcomes[outcome]++
            return []
          }),
          Effect.catch((error) => {
            const { response } = error
            if (response?.is("urn:hypermarket:problem:analytics:order-fact-invalid") === true) {
              return Effect.succeed(refusalsOf(items, response.problem))
            }
            if (response?.is("urn:hypermarket:problem:analytics:order-fact-conflict") !== true) {
              return Effect.fail(error)
            }
            const { id, index, kind, version } = response.problem
            return Effect.succeed([
              {
                line: items[index]?.line ?? 0,
                message: `${kind} ${id} is known in version ${version} with another content`
              }
            ])
          }),
          ApiClient.orCommandFailed("Recording facts")
        )

      /** A batch is all or nothing: without what was refused it is sent again, until nothing is. */
      const sendPart = Effect.fnUntraced(function* (
        items: Items
      ): Effect.fn.Return<ReadonlyArray<Import.Refusal>, CommandFailed> {
        const refused = new Map<number, Import.Refusal>()
        let left = items
        while (left.length > 0) {
          const found = yield* sendOnce(left)
          if (found.length === 0) break
          for (const refusal of found) if (!refused.has(refusal.line)) refused.set(refusal.line, refusal)
          left = items.filter(({ line }) => !refused.has(line))
        }
        return Array.from(refused.values())
      })

      const send = (items: Items) =>
        Effect.map(Effect.forEach(partsOf(items), sendPart), (refusals) => refusals.flat())

      const summary = yield* Import.run({
        file,
        format: "ndjson",
        target: `${address.apiUrl} orders`,
        label: "Importing orders",
        batchMax: importBatchMax,
        restart,
        decode: factOf,
        send
      })
      yield* json
        ? Output.json({ ...summary, outcomes })
        : Console.log([textOf("facts", summary), outcomeText(outcomes)].join("\n"))
    },
    Effect.provide(Progress.layer),
    orCommandFailed
  )
).pipe(
  Command.withDescription('Order facts, one a line, from a file: { "type": "order.placed", "data": { ... } }')
)
