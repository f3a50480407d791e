/** How one attempt ended, from the answer of the receiver. */
import type { OutboundAnswer, OutboundFailed, OutboundRefused } from "@hypermarket/core/OutboundHttp"
import * as Result from "effect/Result"
import { retryAfterMillis } from "./webhookSchedule.ts"

export interface Outcome {
  readonly kind: "delivered" | "answered" | "timeout" | "failed" | "refused"
  readonly isDelivered: boolean
  readonly status: number | undefined
  /** The reason of a failure, for the tenant: without addresses. */
  readonly error: string | undefined
  readonly retryAfterMillis: number | undefined
  /** The first 4 KiB of the answer. */
  readonly answer: Uint8Array
}

/** The answer is shown beside its attempt: enough for a message, and no archive. */
const answerBytesMax = 4_096

const failures: { readonly [reason in OutboundFailed["reason"]]: string } = {
  resolve: "The name of the host has no address",
  connect: "The connection was refused or failed",
  tls: "The TLS handshake failed",
  timeout: "No complete answer within 15 seconds",
  answer: "The connection was closed before the answer was complete"
}

const none = { status: undefined, retryAfterMillis: undefined, answer: new Uint8Array() }

/** The secret of the endpoint cannot be opened by this process. */
export const secretUnavailable: Outcome = {
  ...none,
  kind: "refused",
  isDelivered: false,
  error: "The secret of the endpoint cannot be opened: its operator checks HM_SECRETS_KEYS"
}

const isRedirect = (status: number): boolean => status >= 300 && status < 400

const answered = (answer: OutboundAnswer, now: Date): Outcome => {
  const { status } = answer
  const isDelivered = status >= 200 && status < 300
  return {
    kind: isDelivered ? "delivered" : "answered",
    isDelivered,
    status,
    error: isDelivered
      ? undefined
      : `Answered ${status}${isRedirect(status) ? "; a redirect is not followed" : ""}`,
    retryAfterMillis: isDelivered ? undefined : retryAfterMillis(answer.headers["retry-after"], now),
    answer: answer.body.subarray(0, answerBytesMax)
  }
}

/** Returns the outcome. Any status from 200 to 299 is a success. */
export const of = (
  answer: Result.Result<OutboundAnswer, OutboundRefused | OutboundFailed>,
  now: Date
): Outcome => {
  if (Result.isSuccess(answer)) return answered(answer.success, now)
  const { failure } = answer
  if (failure._tag === "OutboundRefused") {
    return { ...none, kind: "refused", isDelivered: false, error: failure.message }
  }
  const code = failure.code === undefined ? "" : ` (${failure.code})`
  return {
    ...none,
    kind: failure.reason === "timeout" ? "timeout" : "failed",
    isDelivered: false,
    error: `${failures[failure.reason]}${code}`
  }
}
