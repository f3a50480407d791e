/** Handles that callers have opened: callers with equal options share one, which ends with its last caller. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { isObject } from "effect/Predicate"
import * as Result from "effect/Result"
import * as Context from "effect/Context"
import * as Scope from "effect/Scope"
import { invalidArgument } from "../../CallError.ts"
import type * as Service from "../../Service.ts"
import { Tenant } from "../../Tenant.ts"
import { decoderOf } from "./arguments.ts"
import { isEffect, type Place, run, type Site } from "./calls.ts"

type Local = Extract<Service.Any, { readonly _tag: "Local" }>

interface Shared {
  callers: number
  readonly scope: Scope.Closeable
  readonly made: Promise<object>
}

/** Opens handles of one kind. */
export type Open = (place: Place, site: Site, values: ReadonlyArray<unknown>) => Promise<object>

export interface OpenHandles {
  readonly openerOf: (name: string, local: Local) => Open
  readonly closeAll: Effect.Effect<void>
}

/** The handle's own functions, and `close`. */
const withClose = (handle: object, close: () => Promise<void>): object => ({
  ...handle,
  close,
  [Symbol.asyncDispose]: close
})

const makeHandle = (local: Local, options: unknown, scope: Scope.Scope): Effect.Effect<object, unknown> => {
  const made: unknown = Reflect.apply(local.make, undefined, [options])
  return Effect.map(
    Effect.provideService(isEffect(made) ? made : Effect.succeed(made), Scope.Scope, scope),
    (handle) => (isObject(handle) ? handle : {})
  )
}

export const make = (): OpenHandles => {
  const shared = new Map<string, Shared>()

  const release = (key: string, handle: Shared) =>
    Effect.suspend(() => {
      handle.callers--
      if (handle.callers > 0) return Effect.void
      if (shared.get(key) === handle) shared.delete(key)
      return Scope.close(handle.scope, Exit.void)
    })

  const openerOf = (name: string, local: Local): Open => {
    const decode = decoderOf(local.options)
    const method = `${name}.open`
    return async (place, site, values) => {
      const decoded = decode(values[0] ?? {}, [0])
      if (Result.isFailure(decoded)) {
        return run(place, method, site, Effect.fail(invalidArgument(method, ...decoded.failure)))
      }
      const { id } = Context.getUnsafe(place.context, Tenant)
      const key = JSON.stringify([id, name, decoded.success])
      let handle = shared.get(key)
      if (handle === undefined) {
        const scope = Scope.makeUnsafe()
        // It is shared: the limits of its first caller are not those of the others.
        const unlimited = { ...place, signal: undefined, timeout: undefined }
        handle = {
          callers: 0,
          scope,
          made: run(unlimited, method, site, makeHandle(local, decoded.success, scope))
        }
        shared.set(key, handle)
      }
      const current = handle
      current.callers++
      const close = () => Effect.runPromise(release(key, current))
      try {
        let isClosed = false
        return withClose(await current.made, async () => {
          if (isClosed) return
          isClosed = true
          await close()
        })
      } catch (error) {
        await close()
        throw error
      }
    }
  }

  const closeAll = Effect.suspend(() => {
    const handles = Array.from(shared.values())
    shared.clear()
    return Effect.forEach(handles, ({ scope }) => Scope.close(scope, Exit.void), { discard: true })
  })

  return { openerOf, closeAll }
}
