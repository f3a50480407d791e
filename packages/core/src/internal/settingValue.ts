/** The value of a setting as an operator may see it. */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Setting from "../Setting.ts"

interface Shown {
  readonly isSet: boolean
  readonly isSecret: boolean
  readonly value: string | null
}

const hidden = { isSecret: true, value: null }
const shown = (value: string | null) => ({ isSecret: false, value })

/** An address without user, password and query, each of which may be a secret. */
const withoutSecrets = ({ host, pathname, protocol }: URL): string => `${protocol}//${host}${pathname}`

/** Addresses within a text, such as one of a list. */
const addresses = /[a-z][a-z0-9+.-]*:\/\/[^\s,;]+/gi

const textWithoutSecrets = (text: string): string =>
  text.replaceAll(addresses, (address) =>
    URL.canParse(address) ? withoutSecrets(new URL(address)) : "(an address)"
  )

/** Shows values of kinds that are known to be harmless. Another kind may hold a secret, and is not shown. */
const display = (value: unknown): Pick<Shown, "isSecret" | "value"> => {
  if (Redacted.isRedacted(value)) return hidden
  if (value === undefined || value === null) return shown(null)
  if (typeof value === "string") return shown(textWithoutSecrets(value))
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") {
    return shown(String(value))
  }
  if (Duration.isDuration(value)) return shown(Duration.format(value))
  if (value instanceof URL) return shown(withoutSecrets(value))
  if (Array.isArray(value)) {
    const members = value.map(display)
    return members.some(({ isSecret }) => isSecret)
      ? hidden
      : shown(members.map((member) => member.value ?? "").join(", "))
  }
  return hidden
}

/** Reads a setting. A wrong or missing one is null: a process that needs it does not start. */
export const read = (setting: Setting.Any): Effect.Effect<Shown> =>
  Effect.gen(function* () {
    const raw = yield* Effect.option(Config.String(setting.name))
    const value = yield* Effect.option(setting.config)
    // An optional secret that is absent is still a secret, whose value would not be shown.
    return { isSet: raw._tag === "Some", ...(value._tag === "Some" ? display(value.value) : shown(null)) }
  })
