import { assert, describe, it } from "@effect/vitest"
import * as EmailAddress from "@hypermarket/core/EmailAddress"
import { Effect, Result, Schema } from "effect"
import { createTransport } from "nodemailer"
import { domainToASCII } from "node:url"

/** Pieces of which addresses are forged: what ends, quotes, comments, lists and routes one. */
const pieces = [
  "a",
  "victim",
  "@",
  "@shop.example",
  "@evil.example",
  "evil.example",
  '"',
  "<",
  ">",
  "(",
  ")",
  ",",
  ";",
  ":",
  "\\",
  "%",
  "!",
  ".",
  "+",
  "[",
  "]",
  " ",
  "\t",
  "\r\n",
  "\r\nBcc: b@evil.example",
  "\u0000",
  "\u2028",
  "\u200b",
  "＠",
  "。",
  "ß",
  "é",
  "xn--"
] as const

const Spelling = Schema.Array(Schema.Literals(pieces)).check(Schema.isMinLength(2), Schema.isMaxLength(9))

const runs = Number(process.env["HM_NOTIFICATIONS_ADDRESSES"] ?? 2_000)

/** Composes the envelope and header as the worker does, without a server. */
const transport = createTransport({ jsonTransport: true })

describe("The spelling of an address", () => {
  it.effect.prop(
    "is refused, or reaches the one mailbox at the domain behind its last @: never another domain",
    [Spelling],
    ([list]) =>
      Effect.gen(function* () {
        const text = list.join("")
        const parsed = EmailAddress.parse(text)
        if (Result.isFailure(parsed)) return
        const { domain, local, normal } = parsed.success
        // The runtime's own conversion, which knows nothing of our parser.
        assert.strictEqual(domain, domainToASCII(text.trim().slice(text.trim().lastIndexOf("@") + 1)))
        assert.strictEqual(normal, `${local}@${domain}`)
        const info = yield* Effect.promise(() =>
          transport.sendMail({
            from: { name: "", address: "shop@shop.example" },
            to: { name: "", address: normal },
            text: "x"
          })
        )
        assert.deepStrictEqual(
          // The transport writes some domains in Unicode.
          (info.envelope.to ?? []).map((address) =>
            domainToASCII(address.slice(address.lastIndexOf("@") + 1))
          ),
          [domain]
        )
      }),
    { arbitrary: { runs } }
  )
})
