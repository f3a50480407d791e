/**
 * Messages of a topic of Amazon SNS, signed with a key whose certificate is at SNS. Anyone may make a topic, and sign with it:
 * only messages of the configured one are read, and nothing is fetched but from the SNS of its region.
 */
import * as Now from "@hypermarket/core/Now"
import type { OutboundHttp } from "@hypermarket/core/OutboundHttp"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { verify, X509Certificate } from "node:crypto"

const topicPattern =
  /^arn:(?<partition>aws(?:-cn|-us-gov)?):sns:(?<region>[a-z0-9-]{5,30}):\d{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?$/

/** Returns the host that a topic's certificates and subscriptions are at; undefined when it is no topic's ARN. */
export const hostOf = (topic: string): string | undefined => {
  const groups = topicPattern.exec(topic)?.groups
  return groups === undefined
    ? undefined
    : `sns.${groups["region"]}.amazonaws.com${groups["partition"] === "aws-cn" ? ".cn" : ""}`
}

const Envelope = Schema.Struct({
  Type: Schema.Literals(["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"]),
  MessageId: Schema.String,
  TopicArn: Schema.String,
  Subject: Schema.optionalKey(Schema.NullOr(Schema.String)),
  Message: Schema.String,
  Timestamp: Schema.String,
  SignatureVersion: Schema.Literals(["1", "2"]),
  Signature: Schema.String,
  SigningCertURL: Schema.String,
  SubscribeURL: Schema.optionalKey(Schema.String),
  Token: Schema.optionalKey(Schema.String)
})

export type Envelope = typeof Envelope.Type

const decodeEnvelope = Schema.decodeUnknownOption(Schema.fromJsonString(Envelope))

export const decode = (body: Uint8Array): Option.Option<Envelope> =>
  decodeEnvelope(new TextDecoder().decode(body))

/** The text that is signed: names and values, each on a line. */
export const signedText = (envelope: Envelope): string => {
  const { Message, MessageId, Subject, SubscribeURL, Timestamp, Token, TopicArn, Type } = envelope
  const fields: ReadonlyArray<readonly [string, string | null | undefined]> =
    Type === "Notification"
      ? [
          ["Message", Message],
          ["MessageId", MessageId],
          ["Subject", Subject],
          ["Timestamp", Timestamp],
          ["TopicArn", TopicArn],
          ["Type", Type]
        ]
      : [
          ["Message", Message],
          ["MessageId", MessageId],
          ["SubscribeURL", SubscribeURL],
          ["Timestamp", Timestamp],
          ["Token", Token],
          ["TopicArn", TopicArn],
          ["Type", Type]
        ]
  return fields
    .flatMap(([name, value]) => (value === undefined || value === null ? [] : [`${name}\n${value}\n`]))
    .join("")
}

const digests = { "1": "sha1", "2": "sha256" } as const

const isSigned = (envelope: Envelope, certificate: X509Certificate): boolean =>
  Result.getOrElse(
    Result.try(() =>
      verify(
        digests[envelope.SignatureVersion],
        Buffer.from(signedText(envelope)),
        certificate.publicKey,
        Buffer.from(envelope.Signature, "base64")
      )
    ),
    () => false
  )

/** SNS tries for at most an hour, and signs once. An older message is a replay. */
const toleranceMillis = 7_200_000

const isFresh = ({ Timestamp }: Envelope, now: Date): boolean =>
  Math.abs(now.getTime() - Date.parse(Timestamp)) <= toleranceMillis

const isAt = (url: URL | null, host: string): url is URL =>
  url !== null &&
  url.protocol === "https:" &&
  url.host === host &&
  url.username === "" &&
  url.password === "" &&
  url.hash === ""

const certificatePath = /^\/SimpleNotificationService-[0-9A-Za-z_-]{1,100}\.pem$/

/** A chain has some 6 KB. */
const certificateBytesMax = 65_536
/** Within the deadline of the callback. */
const fetchDeadline = "2 seconds"
/** SNS renews its certificates some times a year. */
const certificatesMax = 16

/**
 * - `unsigned`: another topic, a wrong or old signature, or a certificate that is not of SNS.
 * - `unavailable`: SNS did not answer, and repeats the message.
 */
export type Fault = "unsigned" | "unavailable"

/** Reads the messages of a topic. */
export const make = (outbound: OutboundHttp["Service"]) => {
  const certificates = new Map<string, X509Certificate>()

  const certificateAt = Effect.fnUntraced(function* (url: URL) {
    const existing = certificates.get(url.href)
    if (existing !== undefined) return existing
    const { body, status, truncated } = yield* outbound
      .send({
        method: "GET",
        url: url.href,
        headers: {},
        deadline: fetchDeadline,
        answerMax: certificateBytesMax
      })
      .pipe(Effect.mapError((): Fault => "unavailable"))
    if (status !== 200 || truncated) return yield* Effect.fail<Fault>("unavailable")
    const certificate = yield* Effect.try({
      try: () => new X509Certificate(body),
      catch: (): Fault => "unsigned"
    })
    const [oldest] = certificates.keys()
    if (certificates.size >= certificatesMax && oldest !== undefined) certificates.delete(oldest)
    certificates.set(url.href, certificate)
    return certificate
  })

  /** Confirms a subscription at the topic's own SNS, for the topic and for nothing else. */
  const confirm = Effect.fnUntraced(function* (
    topic: string,
    host: string,
    { SubscribeURL, Token }: Envelope
  ) {
    const url = URL.parse(SubscribeURL ?? "")
    const isOfTopic =
      isAt(url, host) &&
      url.pathname === "/" &&
      url.searchParams.get("Action") === "ConfirmSubscription" &&
      url.searchParams.get("TopicArn") === topic &&
      url.searchParams.get("Token") === Token
    if (!isOfTopic) return yield* Effect.fail<Fault>("unsigned")
    const { status } = yield* outbound
      .send({
        method: "GET",
        url: url.href,
        headers: {},
        deadline: fetchDeadline,
        answerMax: certificateBytesMax
      })
      .pipe(Effect.mapError((): Fault => "unavailable"))
    if (status !== 200) return yield* Effect.fail<Fault>("unavailable")
  })

  /** Returns the text of a message of the topic, and nothing for one about the subscription. */
  const open = Effect.fn("Sns.open")(function* (topic: string, envelope: Envelope) {
    const now = yield* Now.now
    const host = hostOf(topic)
    const url = URL.parse(envelope.SigningCertURL)
    if (host === undefined || envelope.TopicArn !== topic || !isFresh(envelope, now)) {
      return yield* Effect.fail<Fault>("unsigned")
    }
    if (!isAt(url, host) || !certificatePath.test(url.pathname) || url.search !== "") {
      return yield* Effect.fail<Fault>("unsigned")
    }
    const certificate = yield* certificateAt(url)
    const isValid = certificate.validFromDate <= now && now <= certificate.validToDate
    if (!isValid || !isSigned(envelope, certificate)) return yield* Effect.fail<Fault>("unsigned")
    if (envelope.Type === "Notification") return envelope.Message
    if (envelope.Type === "SubscriptionConfirmation") yield* confirm(topic, host, envelope)
    return undefined
  })

  return { open }
}
