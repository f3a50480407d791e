/** Finds the secrets, keys and tokens in bodies of requests and responses, by their forms and by the names of their fields. */
import type { Schema } from "effect"

/** Keys of ours, secrets of webhooks, signed tokens. The first group of each opens something. */
const forms = [/hm_[0-9a-f]{32}_([\w-]{43})/g, /wh(?:sec|sk)_([\w+/=-]{20,})/g]

const named =
  /^(?:secret|password|token|code|apiKey|authToken|accessToken|privateKey|signingKey|auth|p256dh)$/i
const lettersMin = 8

const namedIn = (value: Schema.Json, name = ""): ReadonlyArray<string> => {
  if (typeof value === "string") return named.test(name) && value.length >= lettersMin ? [value] : []
  if (typeof value !== "object" || value === null) return []
  if (Array.isArray(value)) return value.flatMap((item) => namedIn(item, name))
  return Object.entries(value).flatMap(([key, member]) => namedIn(member, key))
}

export const find = (bodies: ReadonlyArray<Schema.Json>): ReadonlyArray<string> => {
  const text = JSON.stringify(bodies)
  const formed = forms.flatMap((form) => Array.from(text.matchAll(form), ([, secret = ""]) => secret))
  return [...formed, ...bodies.flatMap((body) => namedIn(body))]
}
