/** The body of a delivery in the form that its endpoint asks for. Every attempt of a delivery sends the same bytes. */
import type { WebhookFormat } from "../Webhook.ts"
import { memberOf } from "./jsonText.ts"

export interface Message {
  /** The structured CloudEvent. */
  readonly envelope: string
  /** When it was published: the timestamp of an event without a time. */
  readonly recordedAt: Date
}

/** Standard Webhooks 1.0 has `type`, `timestamp` and `data`, each as it is in the event. */
const standardOf = ({ envelope, recordedAt }: Message): string => {
  const type = memberOf(envelope, "type") ?? "null"
  const timestamp = memberOf(envelope, "time") ?? JSON.stringify(recordedAt)
  const data = memberOf(envelope, "data") ?? memberOf(envelope, "data_base64") ?? "null"
  return `{"type":${type},"timestamp":${timestamp},"data":${data}}`
}

/** Returns body and content type of an event. */
export const bodyOf = (
  message: Message,
  format: WebhookFormat
): { readonly body: string; readonly contentType: string } =>
  format === "standard"
    ? { body: standardOf(message), contentType: "application/json; charset=utf-8" }
    : { body: message.envelope, contentType: "application/cloudevents+json; charset=utf-8" }
