import * as Effect from "effect/Effect"
import * as ApiClient from "../ApiClient.ts"
import type { Installation } from "./Part.ts"

type Api = Parameters<Parameters<ReturnType<typeof ApiClient.make>>[0]>[0]
type Body = Parameters<Api["subscriptions"]["create"]>[0]["body"]

/** A tenant's first page: the quickstart makes fewer. */
const pageMax = 200

/** Makes a subscription, unless there is one of its name. */
export const ensure = Effect.fnUntraced(
  function* (installation: Installation, body: Body) {
    const call = ApiClient.make(installation)
    const { items } = yield* call(({ subscriptions }, options) =>
      subscriptions.list({ limit: pageMax }, options)
    )
    if (items.some(({ name }) => name === body.name)) return
    yield* call(({ subscriptions }, options) => subscriptions.create({ body }, options))
  },
  (self, _, { name }) => self.pipe(ApiClient.orCommandFailed(`The subscription "${name}"`))
)
