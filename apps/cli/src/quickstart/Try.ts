/**
 * The commands that the quickstart suggests, and what they need in the data folder: `try.sh`, which defines `hm`, and
 * `order.json`, an order to post.
 */
import * as Commerce from "@hypermarket/core/Commerce"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { failed } from "../CommandFailed.ts"
import type { Installation } from "./Part.ts"

/** The files have a key and what customers buy. */
const ownerOnly = 0o600

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** Indents JSON, and leaves anything else as it is. */
const indent =
  'let t="";process.stdin.on("data",(c)=>t+=c).on("end",()=>{try{t=JSON.stringify(JSON.parse(t),null,2)}catch{};console.log(t)})'

const script = ({ apiKey, apiUrl }: Installation): string => `# Read it with a dot: . try.sh
export HM_API_URL=${quoted(apiUrl)}
export HM_API_KEY=${quoted(apiKey)}

# Calls the API with the demo key: hm <path> [options of curl]
hm() {
  hm_path=$1
  shift
  hm_answer=$(curl --silent --show-error --fail-with-body --header "Authorization: Bearer $HM_API_KEY" \\
    --header "Content-Type: application/json" "$@" "$HM_API_URL$hm_path")
  hm_status=$?
  printf '%s' "$hm_answer" | ${quoted(process.execPath)} -e ${quoted(indent)}
  return $hm_status
}
`

/** An order of today, with a product of the sample. */
const orderAt = (placedAt: string) => ({
  specversion: "1.0",
  id: "try-1:placed",
  source: "/quickstart",
  type: Commerce.typeOf("order.placed"),
  subject: "try-1",
  data: {
    orderId: "try-1",
    version: 1,
    status: "placed",
    currency: "USD",
    customerId: "AA-10315",
    channel: "web",
    region: "US-CA",
    placedAt,
    lines: [
      {
        lineId: "1",
        productId: "FUR-BO-10001798",
        sellerId: "superstore",
        category: "Furniture/Bookcases",
        quantity: 2,
        unitPrice: "13098"
      }
    ]
  }
})

const Kept = Schema.fromJsonString(Schema.Struct({ data: Schema.Struct({ placedAt: Schema.String }) }))

const dayMillis = 86_400_000
const dayOf = (millis: number): string => new Date(millis).toISOString().slice(0, 10)

/** Returns a folder as the user would type it. */
export const shownFolder = Effect.fnUntraced(function* (directory: string) {
  const path = yield* Path.Path
  const relative = path.relative(process.cwd(), path.resolve(directory))
  return relative === "" || relative.startsWith("..") ? path.resolve(directory) : relative
})

/** A path that a shell reads without quotes stays as it is. */
const word = (text: string): string => (/^[\w./@%+:-]+$/.test(text) ? text : quoted(text))

/** Writes the files, and returns the commands to show, each of which works when it is pasted after those before it. */
export const write = Effect.fn("Try.write")(
  function* (directory: string, installation: Installation) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folder = yield* shownFolder(directory)
    yield* fs.writeFileString(path.join(directory, "try.sh"), script(installation), { mode: ownerOnly })
    const orderFile = path.join(directory, "order.json")
    // Posted once it keeps its content: another one of its name would be a conflict.
    if (!(yield* fs.exists(orderFile))) {
      const order = orderAt(DateTime.formatIso(yield* DateTime.now))
      yield* fs.writeFileString(orderFile, JSON.stringify(order, null, 2), { mode: ownerOnly })
    }
    const { data } = yield* Schema.decodeEffect(Kept)(yield* fs.readFileString(orderFile))
    const placed = Date.parse(data.placedAt)
    const day = `{"from":"${dayOf(placed)}","until":"${dayOf(placed + dayMillis)}"}`
    const search = "hm /v1/search/indexes/products/search -d"
    return [
      `. ${word(path.join(folder, "try.sh"))}`,
      `hm /v1/events -d @${word(path.join(folder, "order.json"))} && sleep 2`,
      `hm /v1/analytics/query -d '{"measures":["orders"],"timeDimension":${day}}'`,
      `${search} '{"query":"bokcase","explain":true,"limit":1}'`,
      `${search} '{"query":"chair","facets":[{"column":"categories"}],"limit":1}'`,
      `hm '/v1/observability/issues?sort=users&limit=1'`
    ]
  },
  Effect.catchTag(["PlatformError", "SchemaError"], (error) =>
    failed(`Cannot keep the commands to try: ${error.message}`)
  )
)
