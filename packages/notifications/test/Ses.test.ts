/** Callbacks of Amazon SES, signed as SNS signs them, over a client that has the certificate. */
import { assert, layer } from "@effect/vitest"
import { OutboundFailed, OutboundHttp, type OutboundRequest } from "@hypermarket/core/OutboundHttp"
import * as Sns from "@hypermarket/notifications/internal/feedback/sns"
import { Effect, Layer } from "effect"
import { createSign } from "node:crypto"
import { accepted, layerUnder, post, type Sent, sent, stateOf, suppression } from "./feedbackFixture.ts"
import * as Laboratory from "./Laboratory.ts"
import { certificate, expired, otherKey, privateKey } from "./snsKeys.ts"

const topic = "arn:aws:sns:eu-west-3:210987654321:mail_events"
const host = "https://sns.eu-west-3.amazonaws.com"
const certificateUrl = `${host}/SimpleNotificationService-7506a1e35b36ef5a444dd1a8e7cc3ed8.pem`
const expiredUrl = `${host}/SimpleNotificationService-expired.pem`
const downUrl = `${host}/SimpleNotificationService-down.pem`

const requests: Array<OutboundRequest> = []

/** The client of certificates, with SNS behind it. */
const Outbound = Layer.succeed(OutboundHttp, {
  check: () => Effect.void,
  send: (request) => {
    requests.push(request)
    const answer = (status: number, text: string) =>
      Effect.succeed({ status, headers: {}, body: new Uint8Array(Buffer.from(text)), truncated: false })
    if (request.url === certificateUrl) return answer(200, certificate)
    if (request.url === expiredUrl) return answer(200, expired)
    if (request.url.startsWith(`${host}/?Action=ConfirmSubscription`)) return answer(200, "<ok/>")
    return Effect.fail(new OutboundFailed({ reason: "connect", isSent: false }))
  }
})

interface Fields {
  readonly [name: string]: string
}

const signedBy = (key: string, fields: Fields): Fields => {
  const envelope = {
    Type: "Notification",
    MessageId: "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
    TopicArn: topic,
    Message: "",
    Timestamp: new Date().toISOString(),
    SignatureVersion: "2",
    SigningCertURL: certificateUrl,
    ...fields
  }
  // By the documentation of SNS, and not by the code under test.
  const names =
    envelope.Type === "Notification"
      ? ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
      : ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
  const byName: Fields = envelope
  const text = names.map((name) => (byName[name] === undefined ? "" : `${name}\n${byName[name]}\n`)).join("")
  const signature = createSign(envelope.SignatureVersion === "1" ? "RSA-SHA1" : "RSA-SHA256")
    .update(text)
    .sign(key, "base64")
  return { ...envelope, Signature: signature }
}

const bounce = ({ address, from }: Sent, more: object = {}, mail: object = { source: from }) =>
  JSON.stringify({
    notificationType: "Bounce",
    mail: { destination: [address], messageId: "0100018f-000000", ...mail },
    bounce: {
      bounceType: "Permanent",
      bounceSubType: "General",
      bouncedRecipients: [
        {
          emailAddress: address,
          action: "failed",
          status: "5.1.1",
          diagnosticCode: "smtp; 550 5.1.1 user unknown"
        }
      ],
      ...more
    }
  })

const body = (fields: Fields): string => JSON.stringify(fields)
const none = { reports: 0, changed: 0 }

const TestLayer = layerUnder({ HM_NOTIFICATIONS_SES_TOPIC: topic }, Outbound)

layer(TestLayer, { excludeTestServices: true })("Callbacks of Amazon SES", (it) => {
  it.effect(
    "are taken with signatures of version 1 and 2, and are idempotent and harmless out of order",
    () =>
      Effect.gen(function* () {
        for (const version of ["1", "2"]) {
          const mail = yield* sent(`ses-${version}`)
          const report = (message: string) =>
            accepted("ses", body(signedBy(privateKey, { SignatureVersion: version, Message: message })), {})
          const delivery = JSON.stringify({
            eventType: "Delivery",
            mail: { tags: { "hm-notification": [mail.messageId.slice(1).split("@")[0]] } },
            delivery: { recipients: [mail.address], smtpResponse: "250 2.6.0 queued" }
          })
          assert.strictEqual((yield* report(bounce(mail))).changed, 1)
          assert.strictEqual((yield* report(bounce(mail))).changed, 0)
          assert.strictEqual((yield* report(delivery)).changed, 0)
          assert.strictEqual(yield* stateOf(mail.id), "bounced")
          assert.strictEqual(yield* suppression(mail.address), "bounce")
        }
        assert.lengthOf(
          requests.filter(({ url }) => url === certificateUrl),
          1
        )
      }).pipe(Laboratory.inAcme)
  )

  it.effect("suppress only a mailbox that does not exist, and tell a complaint from an automatic reply", () =>
    Effect.gen(function* () {
      const cases: Readonly<Record<string, readonly [string, string, (mail: Sent) => string]>> = {
        block: [
          "bounced",
          "none",
          (mail) =>
            bounce(mail, {
              bouncedRecipients: [
                { emailAddress: mail.address, diagnosticCode: "smtp; 550 5.7.1 blocked by policy" }
              ]
            })
        ],
        full: [
          "bounced",
          "none",
          (mail) => bounce(mail, { bounceType: "Transient", bounceSubType: "MailboxFull" })
        ],
        reply: ["accepted", "none", (mail) => bounce(mail, { bounceType: "Transient" })],
        unnamed: [
          "bounced",
          "bounce",
          (mail) =>
            bounce(mail, { bounceSubType: "NoEmail", bouncedRecipients: [{ emailAddress: mail.address }] })
        ],
        listed: [
          "bounced",
          "none",
          (mail) =>
            bounce(mail, {
              bounceSubType: "OnAccountSuppressionList",
              bouncedRecipients: [{ emailAddress: mail.address }]
            })
        ],
        header: [
          "bounced",
          "bounce",
          (mail) => bounce(mail, {}, { headers: [{ name: "Message-ID", value: mail.messageId }] })
        ],
        angry: [
          "complained",
          "complaint",
          (mail) =>
            JSON.stringify({
              notificationType: "Complaint",
              mail: { source: mail.from },
              complaint: {
                complainedRecipients: [{ emailAddress: mail.address }],
                complaintFeedbackType: "abuse"
              }
            })
        ],
        validated: [
          "accepted",
          "none",
          () => "Successfully validated SNS topic for Amazon SES event publishing."
        ]
      }
      for (const [id, [state, suppressed, message]] of Object.entries(cases)) {
        const mail = yield* sent(`ses-${id}`)
        yield* accepted("ses", body(signedBy(privateKey, { Message: message(mail), Subject: "SES" })), {})
        assert.strictEqual(yield* stateOf(mail.id), state, id)
        assert.strictEqual(yield* suppression(mail.address), suppressed, id)
      }
    }).pipe(Laboratory.inAcme)
  )

  it.effect("change nothing when anything signed was changed, is old, or is of another topic or key", () =>
    Effect.gen(function* () {
      const mail = yield* sent("ses-forged")
      const message = bounce(mail)
      const good = signedBy(privateKey, { Message: message, Subject: "s" })
      const old = new Date(Date.parse(good["Timestamp"] ?? "") - 3 * 3_600_000).toISOString()
      const certificates = [
        "https://sns.eu-west-3.amazonaws.com.evil.example/SimpleNotificationService-a.pem",
        "https://evil.example/SimpleNotificationService-a.pem",
        "http://sns.eu-west-3.amazonaws.com/SimpleNotificationService-a.pem",
        "https://sns.eu-west-3.amazonaws.com:8443/SimpleNotificationService-a.pem",
        "https://a@sns.eu-west-3.amazonaws.com/SimpleNotificationService-a.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-a.pem",
        "https://bucket.s3.amazonaws.com/SimpleNotificationService-a.pem",
        "https://sns.eu-west-3.amazonaws.com/../SimpleNotificationService-a.pem/x",
        "https://sns.eu-west-3.amazonaws.com/?Action=ListTopics&x=SimpleNotificationService-a.pem",
        "file:///etc/passwd",
        ""
      ]
      const before = requests.length
      const forged: ReadonlyArray<Fields> = [
        ...certificates.map((url) => signedBy(privateKey, { Message: message, SigningCertURL: url })),
        signedBy(privateKey, { Message: message, TopicArn: topic.replace("mail_events", "other") }),
        signedBy(privateKey, { Message: message, TopicArn: topic.replace("210987654321", "111111111111") }),
        signedBy(privateKey, { Message: message, Timestamp: old }),
        signedBy(privateKey, { Message: message, Timestamp: "yesterday" })
      ]
      for (const fields of forged) {
        assert.strictEqual((yield* post("ses", body(fields), {})).status, 401, body(fields))
      }
      assert.strictEqual(requests.length, before, "nothing is fetched from elsewhere")
      const changed: ReadonlyArray<Fields> = [
        ...["Message", "MessageId", "Subject"].map((name) => ({ ...good, [name]: `${good[name]} ` })),
        { ...good, SignatureVersion: "1" },
        { ...good, Type: "UnsubscribeConfirmation" },
        { ...good, Signature: "" },
        signedBy(otherKey, { Message: message }),
        signedBy(privateKey, { Message: message, SigningCertURL: expiredUrl })
      ]
      for (const fields of changed) {
        assert.strictEqual((yield* post("ses", body(fields), {})).status, 401, body(fields))
      }
      for (const text of ["", "{}", "[]", body({ ...good, SignatureVersion: "3" })]) {
        assert.strictEqual((yield* post("ses", text, {})).status, 400)
      }
      // SNS repeats a message that could not be verified.
      const down = signedBy(privateKey, { Message: message, SigningCertURL: downUrl })
      assert.strictEqual((yield* post("ses", body(down), {})).status, 503)
      assert.strictEqual(yield* stateOf(mail.id), "accepted")
      assert.strictEqual((yield* accepted("ses", body(good), {})).changed, 1)
    }).pipe(Laboratory.inAcme)
  )

  it.effect("confirm a subscription at the topic's own SNS alone, when it is signed", () =>
    Effect.gen(function* () {
      const token = "2336412f37fb687f5d51e6e241d638b1"
      const confirmation = (url: string, key = privateKey) =>
        signedBy(key, { Type: "SubscriptionConfirmation", Message: "m", Token: token, SubscribeURL: url })
      const right = `${host}/?Action=ConfirmSubscription&TopicArn=${topic}&Token=${token}`
      const confirmed = () => requests.filter(({ url }) => url.includes("ConfirmSubscription"))
      for (const url of [
        right.replace(host, "https://evil.example"),
        right.replace(host, "https://169.254.169.254"),
        right.replace("ConfirmSubscription", "DeleteTopic"),
        right.replace("mail_events", "other"),
        right.replace(token, "x"),
        `${right}#x`,
        ""
      ]) {
        assert.strictEqual((yield* post("ses", body(confirmation(url)), {})).status, 401, url)
      }
      assert.strictEqual((yield* post("ses", body(confirmation(right, otherKey)), {})).status, 401)
      assert.lengthOf(confirmed(), 0)
      assert.deepStrictEqual(yield* accepted("ses", body(confirmation(right)), {}), none)
      assert.deepStrictEqual(
        confirmed().map(({ method, url }) => [method, url]),
        [["GET", right]]
      )
    }).pipe(Laboratory.inAcme)
  )

  it.effect("are of a topic in its region's own domain", () =>
    Effect.sync(() => {
      assert.strictEqual(
        Sns.hostOf("arn:aws-cn:sns:cn-north-1:123456789012:t"),
        "sns.cn-north-1.amazonaws.com.cn"
      )
      for (const text of ["", "t", "arn:aws:sqs:eu-west-1:123456789012:t", `${topic}/x`, `${topic}\n`]) {
        assert.isUndefined(Sns.hostOf(text), text)
      }
    })
  )
})
