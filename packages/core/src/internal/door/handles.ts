/** Makes the objects whose methods are the calls of a door. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { isObject } from "effect/Predicate"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { invalidArgument } from "../../CallError.ts"
import type * as Service from "../../Service.ts"
import * as Arguments from "./arguments.ts"
import { atSite, isEffect, type Place, run, runPlain, type Site, siteOf } from "./calls.ts"
import type { OpenHandles } from "./localHandles.ts"
import { toPlain } from "./values.ts"

/** A call as a door makes it: by its place, the stack of its caller and its arguments. */
type Invoke = (place: Place, site: Site, values: ReadonlyArray<unknown>) => unknown

const isStream = (value: unknown): value is Stream.Stream<unknown, unknown> => Stream.isStream(value)

async function* iterate(place: Place, site: Site, stream: Stream.Stream<unknown, unknown>) {
  const { signal } = place
  const aborted = Effect.callback<void>((resume) => {
    const abort = () => resume(Effect.void)
    if (signal?.aborted === true) abort()
    signal?.addEventListener("abort", abort, { once: true })
    return Effect.sync(() => signal?.removeEventListener("abort", abort))
  })
  const limited = signal === undefined ? stream : Stream.interruptWhen(stream, aborted)
  try {
    for await (const item of Stream.toAsyncIterableWith(limited, place.context)) yield toPlain(item)
  } catch (error) {
    throw atSite(error, site)
  }
  if (signal?.aborted === true) throw signal.reason
}

/** Fails at its first step, as an iterable does. */
async function* failing(error: unknown): AsyncGenerator<never> {
  yield* []
  throw error
}

const invokeOf = (
  tag: Context.Key<unknown, unknown>,
  name: string,
  method: string,
  schemas: ReadonlyArray<Service.ArgumentSchema>
): Invoke => {
  const decode = Arguments.make(schemas)
  const full = `${name}.${method}`
  return (place, site, values) => {
    const service: unknown = Context.getUnsafe(place.context, tag)
    const member: unknown = isObject(service) ? Reflect.get(service, method) : undefined
    const decoded = decode(values)
    if (Result.isFailure(decoded)) {
      const error = atSite(invalidArgument(full, ...decoded.failure), site)
      return isStream(member) ? failing(error) : run(place, full, site, Effect.fail(error))
    }
    const made: unknown = typeof member === "function" ? member(...decoded.success) : member
    if (isStream(made)) return iterate(place, site, made)
    return runPlain(place, full, site, isEffect(made) ? made : Effect.succeed(made))
  }
}

class ServiceHandle {
  readonly #place: Place

  constructor(place: Place) {
    this.#place = place
  }

  static placeOf(handle: ServiceHandle): Place {
    return handle.#place
  }
}

/** Defines a property that is made when it is read first. */
const defineLazily = <Handle extends object>(
  prototype: Handle,
  name: string,
  make: (handle: Handle) => unknown
) =>
  Object.defineProperty(prototype, name, {
    enumerable: true,
    get(this: Handle) {
      const value = make(this)
      Object.defineProperty(this, name, { value, enumerable: true })
      return value
    }
  })

const bind = (place: Place, invoke: Invoke) => {
  const bound = (...values: ReadonlyArray<unknown>): unknown => invoke(place, siteOf(bound), values)
  return bound
}

const classOf = (methods: ReadonlyMap<string, Invoke>): new (place: Place) => ServiceHandle => {
  class Methods extends ServiceHandle {}
  for (const [method, invoke] of methods) {
    defineLazily(Methods.prototype, method, (handle) => bind(ServiceHandle.placeOf(handle), invoke))
  }
  return Methods
}

const methodsOf = (name: string, service: Service.Any, opened: OpenHandles): ReadonlyMap<string, Invoke> => {
  if (service._tag === "Local") return new Map([["open", opened.openerOf(name, service)]])
  const methods = new Map<string, Invoke>(
    Object.entries(service.methods).map(([method, schemas]) => [
      method,
      invokeOf(service.tag, name, method, schemas)
    ])
  )
  return service.opens === undefined ? methods : methods.set("open", opened.openerOf(name, service.opens))
}

/** Makes the class of the handles that have a list of services. */
export const make = (
  services: ReadonlyMap<string, Service.Any>,
  opened: OpenHandles
): ((place: Place) => object) => {
  class Services extends ServiceHandle {}
  for (const [name, service] of services) {
    const Methods = classOf(methodsOf(name, service, opened))
    defineLazily(Services.prototype, name, (handle) => new Methods(ServiceHandle.placeOf(handle)))
  }
  return (place) => new Services(place)
}
