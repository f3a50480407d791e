/**
 * The promise that no tenant reads or changes another's things, tried on every method of the Promise door. A stranger calls
 * each with arguments that find something of the owner's, its ids among them. Each answer must be the one that another
 * stranger gets for ids that never existed.
 */
import { assert, type Vitest } from "@effect/vitest"
import * as Promises from "@hypermarket/core/Promises"
import type * as Service from "@hypermarket/core/Service"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import { isObject } from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { onceOnly, readOf, type Seeded } from "./TenantIsolation.ts"
import { TestDatabase } from "./TestDatabase.ts"

export interface Options<R> {
  readonly domain: Promises.Entry
  /**
   * The services that the seed has things of.
   *
   * @default all of the domain
   */
  readonly services?: ReadonlyArray<string>
  /** The seed of the endpoints. Its values are the arguments, where a method's schemas accept them. */
  readonly seed: Effect.Effect<Seeded, unknown, R | HttpClient.HttpClient>
  /** Tenants of the seed's keys, where a key is not its tenant's id. */
  readonly tenants?: { readonly owner: string; readonly stranger: string; readonly other: string }
  /** Arguments by `service.method`, where the seed's values are not enough. */
  readonly calls?: Readonly<Record<string, (seeded: Seeded) => ReadonlyArray<unknown>>>
  /** Methods that are not called, with the reason. */
  readonly without?: Readonly<Record<string, string>>
  /** Parameters that are no ids: a kind, an environment. */
  readonly fixed?: ReadonlyArray<string>
  /** Settings that the domain is started with. */
  readonly settings?: Readonly<Record<string, string>>
}

/** Longest call. A method that waits for something that does not come has no other end. */
const callMillisMax = 10_000

/** Items of a stream that are read: the first of another tenant would be among them. */
const itemsMax = 100

/** Combinations of arguments that are tried per method. */
const combinationsMax = 200

type Call = (values: ReadonlyArray<unknown>) => Promise<unknown>

const itemsOf = async (items: AsyncIterable<unknown>): Promise<ReadonlyArray<unknown>> => {
  const read: Array<unknown> = []
  for await (const item of items) if (read.push(item) >= itemsMax) break
  return read
}

const isIterable = (value: unknown): value is AsyncIterable<unknown> =>
  isObject(value) && Symbol.asyncIterator in value

const callOf = (handle: object, service: string, method: string): Call => {
  const methods: unknown = Reflect.get(handle, service)
  const call: unknown = isObject(methods) ? Reflect.get(methods, method) : undefined
  if (typeof call !== "function") throw new TypeError(`the door has no ${service}.${method}`)
  return async (values) => {
    const answer: unknown = Reflect.apply(call, undefined, values)
    return isIterable(answer) ? itemsOf(answer) : answer
  }
}

interface Outcome {
  readonly isFound: boolean
  /** The answer or the refusal, as text that the caller could see. */
  readonly text: string
}

const textOf = (value: unknown): string => JSON.stringify(value) ?? "undefined"

/** Fields that name an error, without its stack. */
const refusalOf = (error: unknown): unknown =>
  error instanceof Error ? { ...error, reason: `${error.name}: ${error.message}` } : error

/** A refusal for the state or the version of a thing: the caller has the thing. */
const isConflict = (error: unknown): boolean =>
  isObject(error) && [409, 412].includes(Number(Reflect.get(error, "status")))

const outcomeOf = (call: Call, values: ReadonlyArray<unknown>) =>
  Effect.promise(() =>
    call(values).then(
      (answer): Outcome => ({ isFound: true, text: textOf(answer) }),
      (error: unknown): Outcome => ({ isFound: isConflict(error), text: textOf(refusalOf(error)) })
    )
  )

/** A value of the seed, found again in another seed by its path. */
type Recipe = (seeded: Seeded) => unknown

const isNumber = /^\d{1,15}$/

/** Values inside a payload are arguments too: one event of a list, or one field. */
const depthMax = 4

const innerOf = (recipe: Recipe, value: unknown, depth = 0): ReadonlyArray<Recipe> => [
  recipe,
  ...(isObject(value) && depth < depthMax
    ? Object.entries(value).flatMap(([key, inner]) =>
        innerOf(
          (seeded) => {
            const outer = recipe(seeded)
            return isObject(outer) ? Reflect.get(outer, key) : undefined
          },
          inner,
          depth + 1
        )
      )
    : [])
]

/** Every value of the seed, the ids first. */
const recipesOf = (seeded: Seeded): ReadonlyArray<Recipe> => [
  ...Object.entries(seeded.params).flatMap(([name, value]): ReadonlyArray<Recipe> => {
    const text: Recipe = ({ params }) => params[name]
    return isNumber.test(value) ? [text, ({ params }) => Number(params[name])] : [text]
  }),
  ...Object.entries(seeded.payloads).flatMap(([name, payload]) =>
    innerOf(({ payloads }) => payloads[name], payload)
  ),
  () => ({}),
  () => 1,
  () => true
]

/** Returns whether the door would accept the value. */
type Accepts = (value: unknown) => boolean

interface Argument {
  readonly isOptional: boolean
  readonly accepts: Accepts
}

const argumentOf = (argument: Service.ArgumentSchema): Argument => {
  const schema = "_tag" in argument ? argument.schema : argument
  const decode = Schema.decodeUnknownResult(schema, { onExcessProperty: "error" })
  return { isOptional: "_tag" in argument, accepts: (value) => Result.isSuccess(decode(value)) }
}

/** Combinations of values that the schemas accept. Arguments that may be left out are left out last. */
const combinationsOf = (
  schemas: ReadonlyArray<Service.ArgumentSchema>,
  seeded: Seeded
): ReadonlyArray<ReadonlyArray<Recipe>> => {
  const recipes = recipesOf(seeded)
  return schemas.map(argumentOf).reduce<ReadonlyArray<ReadonlyArray<Recipe>>>(
    (combinations, { accepts, isOptional }) => {
      const values = new Map<string, Recipe>()
      for (const recipe of recipes) {
        const value = recipe(seeded)
        if (value !== undefined && accepts(value)) values.set(textOf(value), recipe)
      }
      const longer = combinations.flatMap((before) =>
        Array.from(values.values(), (recipe) => [...before, recipe])
      )
      return (isOptional ? [...longer, ...combinations] : longer).slice(0, combinationsMax)
    },
    [[]]
  )
}

type ValuesOf = (seeded: Seeded) => ReadonlyArray<unknown>

/** The stated arguments, or all that the schemas accept. */
const candidatesOf = (
  stated: ValuesOf | undefined,
  schemas: ReadonlyArray<Service.ArgumentSchema>,
  seeded: Seeded
): ReadonlyArray<ValuesOf> =>
  stated === undefined
    ? combinationsOf(schemas, seeded).map((recipes) => (seeded) => recipes.map((recipe) => recipe(seeded)))
    : [stated]

/** Far from the numbers that a sequence gives out while a suite runs. */
const farNumber = 70_707

/** An id of the same form that no row has. */
const neverOf = (id: string): string => {
  if (/^\d+$/.test(id)) return String(Number(id) + farNumber)
  const last = id.slice(-1)
  const [first, second] = /\d/.test(last) ? ["7", "8"] : /[a-f]/.test(last) ? ["a", "b"] : ["q", "w"]
  return id.slice(0, -1) + (last === first ? second : first)
}

const secret = /(?:hm_\w{32}_|whsec_)[\w+/=-]+/g

/** Ids, numbers of sequences, durations and times that differ from call to call. */
const varying =
  /(?<="\w*(?:Micros|Millis)":)\d+|\d{6,}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+Z/g

/** Returns the text without what differs from call to call and without the ids. */
const compared = (text: string, ids: ReadonlyArray<string>): string =>
  ids
    .toSorted((a, b) => b.length - a.length)
    .reduce((shorter, id) => shorter.replaceAll(id, "…"), text.replaceAll(secret, "…"))
    .replaceAll(varying, "…")

/** Returns the value with every id of the owner's replaced by one that never existed. */
const withNever = (value: unknown, ids: ReadonlyMap<string, string>): unknown => {
  if (typeof value === "string") return ids.get(value) ?? value
  if (typeof value === "number") return ids.has(String(value)) ? Number(ids.get(String(value))) : value
  if (Array.isArray(value)) return value.map((item) => withNever(item, ids))
  return isObject(value)
    ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withNever(item, ids)]))
    : value
}

const systemOnly = /Service not found: @hypermarket\/core\/AllTenants/

interface Reached {
  readonly service: string
  readonly method: string
  readonly valuesOf: ValuesOf
}

/** Sets variables of the environment, which other files of the worker share, for the length of the scope. */
const environment = (settings: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = Object.keys(settings).map((name) => [name, process.env[name]] as const)
      Object.assign(process.env, settings)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      })
  )

const connection = (url: string, domain: Promises.Entry) =>
  Effect.acquireRelease(
    Effect.promise(() => Promises.connect({ connectionString: url, domains: [domain], pool: { max: 2 } })),
    (hm) => Effect.promise(() => hm.close())
  )

type Handle = (tenant: string) => object

const domainOf = (entry: Promises.Entry) => ("domain" in entry ? entry.domain : entry)

/** Finds for each method arguments that find something of the owner's, and fails when a method has none. */
const reachAll = Effect.fnUntraced(function* <R>(
  { calls = {}, domain, seed, tenants, without = {}, ...options }: Options<R>,
  as: Handle
) {
  const { services } = domainOf(domain)
  const reached: Array<Reached> = []
  /** Returns the first refusal when no arguments find anything. */
  const reach = Effect.fnUntraced(function* (
    seeded: Seeded,
    service: string,
    method: string,
    schemas: ReadonlyArray<Service.ArgumentSchema>
  ) {
    const call = callOf(as(tenants?.owner ?? seeded.ownerKey), service, method)
    let refusal: string | undefined
    for (const valuesOf of candidatesOf(calls[`${service}.${method}`], schemas, seeded)) {
      const { isFound, text } = yield* outcomeOf(call, valuesOf(seeded))
      if (isFound) reached.push({ service, method, valuesOf })
      if (isFound || systemOnly.test(text)) return undefined
      refusal ??= text
    }
    return refusal ?? "no value of the seed fits"
  })
  const unreached: Array<string> = []
  let seeded = yield* seed
  for (const service of options.services ?? Object.keys(services)) {
    const listed = services[service]
    assert.isDefined(listed, service)
    // A handle that a program keeps is made for one tenant; its own tests open it.
    if (listed?._tag !== "Service") continue
    for (const [method, schemas] of Object.entries(listed.methods)) {
      if (`${service}.${method}` in without) continue
      if ((yield* reach(seeded, service, method, schemas)) === undefined) continue
      // An earlier call may have removed what this one needs.
      seeded = yield* seed
      const refusal = yield* reach(seeded, service, method, schemas)
      if (refusal !== undefined) unreached.push(`${service}.${method}: ${refusal}`)
    }
  }
  assert.deepStrictEqual(unreached, [], "no value of the seed finds something for the owner: see `calls`")
  assert.isNotEmpty(reached)
  return reached
})

/** Calls every method as a stranger. Fails at the first answer that depends on the owner's things. */
export const walk = Effect.fnUntraced(function* <R>(options: Options<R>) {
  const { url } = yield* TestDatabase
  yield* environment(options.settings ?? {})
  const hm = yield* connection(url, options.domain)
  const as: Handle = (tenant) => hm.tenant(tenant).with({ timeout: callMillisMax })
  const reached = yield* reachAll(options, as)
  const seeded = yield* options.seed
  const read = readOf(seeded)
  const before = yield* read
  const ids = Object.entries(seeded.params).filter(([param]) => options.fixed?.includes(param) !== true)
  const never = new Map(ids.map(([, id]) => [id, neverOf(id)]))
  // The strangers of the endpoints are others: what one makes here would be its own there.
  const { other, stranger } = options.tenants ?? {
    stranger: `${seeded.strangerKey}-door`,
    other: `${seeded.strangerKey}-other`
  }
  const different = [...never.keys(), ...never.values(), stranger, other]
  let passed = ""
  for (const { method, service, valuesOf } of reached) {
    const values = valuesOf(seeded)
    const asked = yield* outcomeOf(callOf(as(stranger), service, method), values)
    const unknown = yield* outcomeOf(
      callOf(as(other), service, method),
      values.map((value) => withNever(value, never))
    )
    const full = `${service}.${method}(${textOf(values)})`
    assert.strictEqual(compared(asked.text, different), compared(unknown.text, different), full)
    // A name that the stranger has sent may now name a thing of the stranger.
    passed += textOf(values)
    for (const id of never.keys()) if (!passed.includes(id)) assert.notInclude(asked.text, id, full)
    assert.deepStrictEqual(yield* read, before, full)
  }
  return reached.map(({ method, service }) => `${service}.${method}`)
}, Effect.scoped)

/** Registers one test over all methods of the services. */
export const suite = <R>(it: Vitest.MethodsNonLive<R>, options: Options<R>): void => {
  const { name, services } = domainOf(options.domain)
  const names = options.services ?? Object.keys(services)
  it.effect(
    `a stranger gets nothing through the Promise door of ${name}: ${names.join(", ")}`,
    () => walk(options) as Effect.Effect<unknown, unknown, R>,
    onceOnly
  )
}
