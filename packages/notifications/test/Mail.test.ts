import { assert, layer, type Vitest } from "@effect/vitest"
import * as EmailAddress from "@hypermarket/core/EmailAddress"
import { NotificationProfiles } from "@hypermarket/notifications/NotificationProfiles"
import { NotificationSuppressions } from "@hypermarket/notifications/NotificationSuppressions"
import { NotificationTemplates } from "@hypermarket/notifications/NotificationTemplates"
import { Effect, Layer, Result } from "effect"
import { SqlClient } from "effect/sql"
import { authenticate } from "mailauth"
import { generateKeyPairSync } from "node:crypto"
import * as Laboratory from "./Laboratory.ts"
import * as MailServer from "./MailServer.ts"

const key = generateKeyPairSync("rsa", {
  modulusLength: 2_048,
  publicKeyEncoding: { type: "spki", format: "der" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" }
})

const signed = Laboratory.layer({
  HM_NOTIFICATIONS_DKIM_DOMAIN: "shop.example",
  HM_NOTIFICATIONS_DKIM_SELECTOR: "s1",
  HM_NOTIFICATIONS_DKIM_KEY: key.privateKey
})

const TestLayer = signed.pipe(Layer.provideMerge(MailServer.layer()))

type Services = Layer.Success<typeof TestLayer>

/** The DNS of the test: the DKIM record alone. */
const resolver = (name: string, type: string): Promise<Array<Array<string>>> =>
  name === "s1._domainkey.shop.example" && type === "TXT"
    ? Promise.resolve([[`v=DKIM1; k=rsa; p=${key.publicKey.toString("base64")}`]])
    : Promise.reject(Object.assign(new Error("none"), { code: "ENOTFOUND" }))

const mailTo = (address: string) =>
  Effect.gen(function* () {
    const server = yield* MailServer.MailServer
    const mails = server.received.filter(({ to }) => to.includes(address))
    assert.lengthOf(mails, 1, address)
    const [mail] = mails
    return mail ?? (yield* Effect.die(new Error("no mail")))
  })

const publish = (template: string, subject: string, text: string, html: string) =>
  Effect.gen(function* () {
    const templates = yield* NotificationTemplates
    const { templateVersion } = yield* templates.draft({ template, contents: [{ subject, text, html }] })
    yield* templates.publish(template, templateVersion)
  })

/** Claims of what a server has received, of whatever kind it is. */
const claims = (it: Vitest.MethodsNonLive<Services>) => {
  const received = Effect.gen(function* () {
    const profiles = yield* NotificationProfiles
    yield* Laboratory.seed
    const long = "wörter ".repeat(250).trim()
    const title = "日本語のとても長い件名".repeat(6)
    yield* publish(
      "meant",
      "{{ title }} – Bestätigung 🎉 مرحبا",
      "{{ long }}\n🎉 مرحبا\n",
      "<p>{{ long }}</p><p>🎉 مرحبا {{ markup }}</p>"
    )
    yield* profiles.set({
      to: { customer: "meant" },
      email: "meant@bücher.example",
      name: 'Zoë Bäcker, "Z"'
    })
    yield* Laboratory.trigger(
      "meant",
      { customer: "meant" },
      { template: "meant", payload: { title, long, markup: "<b>&amp;</b>" } }
    )
    yield* Laboratory.work
    return { long, title, mail: yield* mailTo("meant@xn--bcher-kva.example") }
  }).pipe(Laboratory.inAcme)

  it.effect("arrives as it was meant: emoji, right-to-left text, long lines, names outside ASCII", () =>
    Effect.gen(function* () {
      const { long, mail, title } = yield* received
      const email = yield* MailServer.read(mail)
      assert.strictEqual(email.subject, `${title} – Bestätigung 🎉 مرحبا`)
      assert.strictEqual(email.to?.[0]?.name, 'Zoë Bäcker, "Z"')
      assert.strictEqual(email.to?.[0]?.address, "meant@xn--bcher-kva.example")
      assert.strictEqual(email.text?.trim(), `${long}\n🎉 مرحبا`)
      assert.include(email.html, `<p>${long}</p>`)
      assert.include(email.html, "&lt;b&gt;&amp;amp;&lt;/b&gt;")
      assert.lengthOf(email.attachments, 0)
      const types = Array.from(
        mail.raw.toString("latin1").matchAll(/^Content-Type: ([a-z/]+)/gim),
        ([, type]) => type
      )
      assert.deepStrictEqual(types, ["multipart/alternative", "text/plain", "text/html"])
    })
  )

  it.effect(
    "has lines of at most 998 octets before DKIM signs, and encoded words that split no character",
    () =>
      Effect.gen(function* () {
        const { mail } = yield* received
        for (const line of mail.raw.toString("latin1").split("\r\n")) assert.isAtMost(line.length, 998)
        const words = mail.raw.toString("latin1").match(/=\?UTF-8\?[BQ]\?[^?]*\?=/gi) ?? []
        assert.isAbove(words.length, 2)
        // Each decodes alone.
        for (const word of words) {
          const [, , encoding = "", body = ""] = word.split("?")
          const bytes =
            encoding.toUpperCase() === "B"
              ? Buffer.from(body, "base64")
              : Buffer.from(
                  body
                    .replaceAll("_", " ")
                    .replaceAll(/=([0-9A-F]{2})/gi, (_, hex: string) =>
                      String.fromCharCode(Number.parseInt(hex, 16))
                    ),
                  "latin1"
                )
          assert.notInclude(bytes.toString("utf8"), "\ufffd", word)
        }
      })
  )

  it.effect("has both one-click headers under a DKIM signature that verifies, unless it is required", () =>
    Effect.gen(function* () {
      yield* Laboratory.seed
      yield* Laboratory.customer("signed")
      yield* Laboratory.customer("owed")
      yield* Laboratory.trigger("signed", { customer: "signed" }, { category: "reviews" })
      yield* Laboratory.trigger("owed", { customer: "owed" })
      yield* Laboratory.work
      const mail = yield* mailTo("signed@mail.example")
      const raw = mail.raw.toString("utf8")
      assert.match(raw, /^List-Unsubscribe-Post: List-Unsubscribe=One-Click\r$/m)
      const unfolded = raw.replaceAll(/\r\n[ \t]/g, "")
      assert.match(
        unfolded,
        /^List-Unsubscribe: ?<https:\/\/api\.shop\.example\/v1\/notifications\/unsubscribe\/v1\.[^>]+>\r$/m
      )
      const verified = yield* Effect.promise(() =>
        authenticate(mail.raw, {
          ip: "192.0.2.1",
          helo: "shop.example",
          sender: "shop@shop.example",
          resolver
        })
      )
      const [result] = verified.dkim.results
      assert.strictEqual(result?.status?.result, "pass")
      const signed = (result?.signingHeaders?.keys ?? "").toLowerCase()
      assert.include(signed, "list-unsubscribe-post")
      assert.match(signed, /list-unsubscribe(?!-post)/)
      const owed = yield* mailTo("owed@mail.example")
      assert.notInclude(owed.raw.toString("utf8"), "List-Unsubscribe")
    }).pipe(Laboratory.inAcme)
  )
}

layer(TestLayer, { excludeTestServices: true })("Mail", (it) => {
  claims(it)

  it.effect("a provider block suppresses no customer, and a missing mailbox is suppressed", () =>
    Effect.gen(function* () {
      const server = yield* MailServer.MailServer
      const suppressions = yield* NotificationSuppressions
      yield* Laboratory.seed
      const replies: Readonly<Record<string, { readonly code: number; readonly text: string }>> = {
        "blocked@mail.example": { code: 554, text: "5.7.1 Message blocked by policy" },
        "missing@mail.example": { code: 550, text: "5.1.1 No such user" },
        "full@mail.example": { code: 452, text: "4.2.2 Mailbox full" }
      }
      server.behaviour.current = { ...MailServer.plain, refuse: (address) => replies[address] }
      for (const id of ["blocked", "missing", "full"]) {
        yield* Laboratory.customer(id)
        yield* Laboratory.trigger(`reply-${id}`, { customer: id })
      }
      yield* Laboratory.work
      server.behaviour.current = MailServer.plain
      const stateOf = (id: string) =>
        Effect.map(Laboratory.explain(`reply-${id}`, id), ([explanation]) => explanation?.state)
      assert.strictEqual(yield* stateOf("blocked"), "dead")
      assert.strictEqual(yield* stateOf("missing"), "bounced")
      // A soft bounce never becomes a hard one.
      assert.strictEqual(yield* stateOf("full"), "retry")
      const suppressed = (id: string) => Effect.isSuccess(suppressions.find(`${id}@mail.example`))
      assert.isFalse(yield* suppressed("blocked"))
      assert.isTrue(yield* suppressed("missing"))
      assert.isFalse(yield* suppressed("full"))
      yield* Laboratory.trigger("again-missing", { customer: "missing" })
      yield* Laboratory.work
      assert.deepInclude((yield* Laboratory.explain("again-missing", "missing"))[0], {
        state: "suppressed",
        reason: "bounce"
      })
    }).pipe(Laboratory.inAcme)
  )

  it.effect("one failed recipient never makes the rest of its chunk go out again", () =>
    Effect.gen(function* () {
      const server = yield* MailServer.MailServer
      const profiles = yield* NotificationProfiles
      const sql = yield* SqlClient.SqlClient
      yield* Laboratory.seed
      const members = Array.from({ length: 12 }, (_, index) => `chunk-${index}`)
      for (const id of members) yield* Laboratory.customer(id)
      yield* profiles.changeList({ list: "chunk", add: members.map((customer) => ({ customer })) })
      server.behaviour.current = {
        ...MailServer.plain,
        refuse: (address) =>
          address === "chunk-3@mail.example" ? { code: 451, text: "4.3.0 Later" } : undefined,
        hangsUp: (address) => address === "chunk-7@mail.example"
      }
      yield* Laboratory.trigger("chunk", { list: "chunk" })
      yield* Laboratory.work
      server.behaviour.current = MailServer.plain
      yield* sql`
        UPDATE hm_notification_queue
           SET due_at = now() - interval '1 hour'
         WHERE state = 'retry' AND recipient_id LIKE 'chunk-%'
      `
      const notifications = yield* sql<{ readonly id: string }>`
        SELECT notification_id::text AS id
          FROM hm_notification_queue
         WHERE recipient_id LIKE 'chunk-%'
      `
      const delivery = yield* Laboratory.delivery
      yield* delivery.send(notifications.map(({ id }) => id))
      const counts = new Map<string, number>()
      for (const { to } of server.received) {
        for (const address of to) counts.set(address, (counts.get(address) ?? 0) + 1)
      }
      for (const id of members) {
        // The one whose connection was cut after the message may have it twice, and is counted.
        assert.strictEqual(counts.get(`${id}@mail.example`), id === "chunk-7" ? 2 : 1, id)
      }
      const [uncertain] = yield* sql<{ readonly total: number }>`
        SELECT sum(uncertain)::int AS total
          FROM hm_notification_queue
         WHERE recipient_id LIKE 'chunk-%'
      `
      assert.strictEqual(uncertain?.total, 1)
    }).pipe(Laboratory.inAcme)
  )

  it.effect("a soft bounce never becomes a hard one by counting attempts", () =>
    Effect.gen(function* () {
      const server = yield* MailServer.MailServer
      const suppressions = yield* NotificationSuppressions
      const sql = yield* SqlClient.SqlClient
      yield* Laboratory.seed
      yield* Laboratory.customer("soft")
      server.behaviour.current = {
        ...MailServer.plain,
        refuse: () => ({ code: 452, text: "4.2.2 Mailbox full" })
      }
      yield* Laboratory.trigger("soft", { customer: "soft" })
      yield* Laboratory.work
      const delivery = yield* Laboratory.delivery
      const states = new Set<string | undefined>()
      for (let attempt = 2; attempt <= 12; attempt++) {
        const rows = yield* sql<{ readonly id: string }>`
          UPDATE hm_notification_queue
             SET due_at = now() - interval '1 hour'
           WHERE recipient_id = 'soft'
          RETURNING notification_id::text AS id
        `
        yield* delivery.send(rows.map(({ id }) => id))
        states.add((yield* Laboratory.explain("soft", "soft"))[0]?.state)
      }
      server.behaviour.current = MailServer.plain
      assert.deepStrictEqual(Array.from(states), ["retry", "dead"])
      assert.isTrue(yield* Effect.isFailure(suppressions.find("soft@mail.example")))
    }).pipe(Laboratory.inAcme)
  )

  it.effect("40 spellings of a recipient reach the parsed mailbox or are refused with a reason", () =>
    Effect.gen(function* () {
      const refused = [
        '"a@evil x"@shop.example',
        "a@shop.example\r\nBcc: b@evil.example",
        "a@shop.example, b@evil.example",
        "a@shop.example; b@evil.example",
        "a@shop.example b@evil.example",
        "Friends: a@shop.example, b@evil.example;",
        "Ann <a@shop.example>",
        "<a@shop.example>",
        "a(comment)@shop.example",
        "a@(comment)shop.example",
        "a@shop.example(comment)",
        '"a b"@shop.example',
        '"a\\"b"@shop.example',
        "a@shop.example\u0000",
        "a\u0000@shop.example",
        "a@shop.example\n",
        "a@shop\u2028.example",
        "a@@shop.example",
        "a@b@evil.example",
        "@shop.example",
        "a@",
        "a",
        "",
        "a@localhost",
        "a@[127.0.0.1]",
        "a@127.0.0.1",
        "a@shop..example",
        ".a@shop.example",
        "a.@shop.example",
        "a..b@shop.example",
        "a@-shop.example",
        "a@shop.example>",
        "a%evil.example@",
        "mailto:a@shop.example?cc=b@evil.example",
        `${"a".repeat(65)}@shop.example`,
        `a@${"b".repeat(250)}.example`
      ]
      for (const spelling of refused) {
        assert.isTrue(Result.isFailure(EmailAddress.parse(spelling)), JSON.stringify(spelling))
      }
      const server = yield* MailServer.MailServer
      const profiles = yield* NotificationProfiles
      yield* Laboratory.seed
      const taken: Readonly<Record<string, string>> = {
        "spell-a": "A+tag@Shop.Example",
        "spell-b": "o'brien/x=y@shop.example",
        "spell-c": "  c@shop.example  ",
        "spell-d": "d@straße.example"
      }
      for (const [id, email] of Object.entries(taken)) {
        yield* profiles.set({ to: { customer: id }, email })
        yield* Laboratory.trigger(id, { customer: id })
      }
      yield* Laboratory.work
      const reached = server.received.flatMap(({ raw, to }) =>
        raw.toString("utf8").includes("Order spell-") ? to : []
      )
      assert.sameMembers(reached, [
        "a+tag@shop.example",
        "o'brien/x=y@shop.example",
        "c@shop.example",
        "d@xn--strae-oqa.example"
      ])
    }).pipe(Laboratory.inAcme)
  )
})

const Ascii = signed.pipe(Layer.provideMerge(MailServer.layer({ isAsciiOnly: true })))

layer(Ascii, { excludeTestServices: true })("Mail at a server without SMTPUTF8", (it) => {
  claims(it)

  it.effect("fails a non-ASCII local part as address_unsupported, and takes a non-ASCII domain", () =>
    Effect.gen(function* () {
      const profiles = yield* NotificationProfiles
      yield* Laboratory.seed
      yield* profiles.set({ to: { customer: "local" }, email: "jörg@mail.example" })
      yield* profiles.set({ to: { customer: "domain" }, email: "jo@jörg.example" })
      yield* Laboratory.trigger("local", { customer: "local" })
      yield* Laboratory.trigger("domain", { customer: "domain" })
      yield* Laboratory.work
      assert.deepInclude((yield* Laboratory.explain("local", "local"))[0], {
        state: "dead",
        reason: "address_unsupported"
      })
      assert.deepInclude((yield* Laboratory.explain("domain", "domain"))[0], { state: "accepted" })
    }).pipe(Laboratory.inAcme)
  )
})

const HangingUp = signed.pipe(Layer.provideMerge(MailServer.layer({ hangsUp: () => true })))

layer(HangingUp, { excludeTestServices: true })("Mail at a server that closes after DATA", (it) => {
  claims(it)

  it.effect("is in doubt, counted, and never said to be accepted", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* Laboratory.seed
      yield* Laboratory.customer("cut")
      yield* Laboratory.trigger("cut", { customer: "cut" })
      yield* Laboratory.work
      assert.deepInclude((yield* Laboratory.explain("cut", "cut"))[0], {
        state: "retry",
        reason: "outcome-unknown"
      })
      const rows = yield* sql`
        SELECT uncertain
          FROM hm_notification_queue
         WHERE recipient_id = 'cut'
      `
      assert.deepStrictEqual(rows, [{ uncertain: 1 }])
      yield* mailTo("cut@mail.example")
    }).pipe(Laboratory.inAcme)
  )
})
