/**
 * A setting of a package or app: declared once, with a line of documentation; read from the environment as
 * `HM_<DOMAIN>_<NAME>`. The configuration reference is made from these.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as Redacted from "effect/Redacted"

/**
 * @category models
 * @since 0.1.0
 */
export interface Setting<A> {
  readonly name: string
  readonly doc: string
  /** How the default is written, for the reference; undefined when the setting is required or absent by default. */
  readonly defaultText: string | undefined
  readonly config: Config.Config<A>
}

/**
 * A setting with a default.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A>(options: {
  readonly name: string
  readonly doc: string
  readonly read: (name: string) => Config.Config<A>
  readonly defaultValue: A
  readonly defaultText?: string
}): Setting<A> => ({
  name: options.name,
  doc: options.doc,
  defaultText: options.defaultText ?? String(options.defaultValue),
  config: options.read(options.name).pipe(Config.withDefault(options.defaultValue))
})

/**
 * A setting without a default: starting fails, naming it, when it is missing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const required = <A>(options: {
  readonly name: string
  readonly doc: string
  readonly read: (name: string) => Config.Config<A>
}): Setting<A> => ({
  name: options.name,
  doc: options.doc,
  defaultText: undefined,
  config: options.read(options.name)
})

/**
 * A secret that may be absent. It is read redacted: it never shows in a log.
 *
 * @category constructors
 * @since 0.1.0
 */
export const optionalSecret = (options: {
  readonly name: string
  readonly doc: string
}): Setting<Redacted.Redacted | undefined> => ({
  name: options.name,
  doc: options.doc,
  defaultText: undefined,
  config: Config.Redacted(options.name).pipe(Config.withDefault(undefined))
})

/**
 * @category models
 * @since 0.1.0
 */
export type Any = Setting<unknown>
