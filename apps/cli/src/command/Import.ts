/** `hypermarket import`: files into the installation behind `HM_API_URL`. */
import * as Commerce from "@hypermarket/core/Commerce"
import * as SearchDocument from "@hypermarket/search/SearchDocument"
import { IndexName, products } from "@hypermarket/search/SearchIndex"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as ApiClient from "../ApiClient.ts"
import { orCommandFailed } from "../CommandFailed.ts"
import { fileArgument, formatFlag, restartFlag, textOf } from "../import/Flags.ts"
import * as Import from "../import/Import.ts"
import * as Rows from "../import/Rows.ts"
import * as Output from "../Output.ts"
import * as Progress from "../quickstart/Progress.ts"
import { importOrders } from "./ImportOrders.ts"

type Change =
  | { readonly _tag: "Upsert"; readonly document: SearchDocument.SearchDocument }
  | { readonly _tag: "Removal"; readonly removal: SearchDocument.DocumentRemoval }

const idNames = ["id", "productId", "product_id", "sku"]
const decodeProduct = Schema.decodeUnknownResult(Commerce.ProductChanged)
const decodeDocument = Schema.decodeUnknownResult(SearchDocument.SearchDocument)

/** Texts of CSV that are numbers, without those that are codes: a leading zero is part of a code. */
const number = /^-?(?:0|[1-9]\d{0,14})(?:\.\d+)?$/
const codes = new Set([...idNames, "title", "brand", "gtin", "ean"])
const lists = new Set(["categories", "images"])

const typed = (name: string, text: string): Schema.Json => {
  if (lists.has(name)) return text.split("|").map((part) => part.trim())
  return !codes.has(name) && number.test(text) ? Number(text) : text
}

/** A fact about a product as the shop publishes it, or any object with an id. */
const changeOf =
  (format: "ndjson" | "csv") =>
  (value: Readonly<Record<string, Schema.Json>>): Result.Result<Change, string> => {
    if ("productId" in value && "sellerId" in value && "status" in value) {
      const product = decodeProduct(value)
      if (Result.isFailure(product)) return Result.fail(product.failure.message)
      const { productId: id, version } = product.success
      const fields = SearchDocument.ofProduct(product.success)
      return Result.succeed(
        fields === undefined
          ? { _tag: "Removal", removal: { id, version } }
          : { _tag: "Upsert", document: { id, version, fields } }
      )
    }
    const idName = idNames.find((name) => name in value)
    if (idName === undefined) return Result.fail(`has none of ${idNames.join(", ")}`)
    const id = value[idName]
    const fields = Object.fromEntries(
      Object.entries(value)
        .filter(([name, field]) => name !== idName && field !== "")
        .map(([name, field]) => [
          name,
          format === "csv" && typeof field === "string" ? typed(name, field) : field
        ])
    )
    const document = decodeDocument({ id: typeof id === "number" ? String(id) : id, fields })
    return Result.isFailure(document)
      ? Result.fail(document.failure.message)
      : Result.succeed({ _tag: "Upsert", document: document.success })
  }

/** The items that an answer of the API names, by `errors[].path`. */
const namedBy = (
  errors: ReadonlyArray<{ readonly path: ReadonlyArray<PropertyKey>; readonly message: string }>,
  upserts: ReadonlyArray<Import.Item<Change>>
): ReadonlyArray<Import.Refusal> =>
  errors.flatMap(({ message, path }) => {
    const named = upserts[Number(path[1])]
    return named === undefined ? [] : [{ line: named.line, message }]
  })

const importProducts = Command.make(
  "products",
  {
    file: fileArgument,
    index: Flag.String("index").pipe(
      Flag.withDescription("The index they are searched in; it is made when there is none"),
      Flag.withSchema(IndexName),
      Flag.withDefault(products)
    ),
    format: formatFlag,
    restart: restartFlag,
    json: Output.jsonFlag
  },
  Effect.fn(
    function* ({ file, format: given, index, json, restart }) {
      const address = yield* ApiClient.fromEnvironment
      const call = ApiClient.make(address)
      yield* call(({ indexes }, options) => indexes.create({ body: { indexName: index } }, options)).pipe(
        Effect.asVoid,
        Effect.catchIf(
          ({ response }) => response?.is("urn:hypermarket:problem:search:index-exists") === true,
          () => Effect.void
        ),
        ApiClient.orCommandFailed(`Making the index ${index}`)
      )
      const format = Option.getOrElse(given, () => Rows.formatOf(file))

      const send = (items: ReadonlyArray<Import.Item<Change>>) => {
        const upserts = items.filter(({ item }) => item._tag === "Upsert")
        const body = {
          upserts: upserts.flatMap(({ item }) => (item._tag === "Upsert" ? [item.document] : [])),
          removals: items.flatMap(({ item }) => (item._tag === "Removal" ? [item.removal] : []))
        }
        return call(({ documents }, options) => documents.write({ indexName: index, body }, options)).pipe(
          Effect.as([]),
          Effect.catch((error) => {
            const { response } = error
            return response?.is("urn:hypermarket:problem:search:document-invalid") === true
              ? Effect.succeed(namedBy(response.problem.errors, upserts))
              : Effect.fail(error)
          }),
          ApiClient.orCommandFailed("Writing documents")
        )
      }

      /** A batch is all or nothing: without those that were refused it is sent again. */
      const sendAll = Effect.fnUntraced(function* (items: ReadonlyArray<Import.Item<Change>>) {
        const refused = yield* send(items)
        if (refused.length === 0) return refused
        const lines = new Set(refused.map(({ line }) => line))
        const left = items.filter(({ line }) => !lines.has(line))
        const again = left.length === 0 ? [] : yield* send(left)
        return [...refused, ...again]
      })

      const summary = yield* Import.run({
        file,
        format,
        target: `${address.apiUrl} ${index}`,
        label: "Importing products",
        batchMax: importBatchMax,
        restart,
        decode: changeOf(format),
        send: sendAll
      })
      yield* json ? Output.json(summary) : Console.log(textOf("products", summary))
    },
    Effect.provide(Progress.layer),
    orCommandFailed
  )
).pipe(Command.withDescription("Products to search for, from a file"))

/** Some hundred kilobytes a request: larger batches are not faster. */
const importBatchMax = 500

export const command = Command.make("import").pipe(
  Command.withDescription("Files into the installation behind HM_API_URL, with HM_API_KEY"),
  Command.withSubcommands([importProducts, importOrders])
)
