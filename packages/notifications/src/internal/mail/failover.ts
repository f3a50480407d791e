/** Sends by the first mail server that takes the message. A server that fails repeatedly is left alone for a while. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import type { Outcome } from "./outcome.ts"
import type { Envelope, Relay } from "./relay.ts"

/** Failures in a row that open a server's circuit: as many as a chunk has in flight, so that one bad moment is not enough. */
const failuresMax = 5
/** An open circuit lets one message through after this time. */
const openDuration = "30 seconds"
/** All of one send, over every server; a message's lease is more than twice as long. */
const sendDeadline = "20 seconds"

const sends = Metric.counter("hm_notifications_sends_total", {
  description: "Messages given to a mail server, by server and outcome",
  incremental: true
})

/** The server, and not the message or its address, is at fault. A lost connection is, too: its message may be taken. */
const isFailure = ({ _tag, isUnavailable }: Outcome): boolean => isUnavailable || _tag === "unknown"

/** Nothing was sent, and another server may do better. A message in doubt never goes to a second server. */
const mayGoElsewhere = ({ _tag, isUnavailable }: Outcome): boolean => isUnavailable || _tag === "unsupported"

const resting: Outcome = {
  _tag: "deferred",
  detail: "the mail server failed repeatedly and is left alone for a while",
  isUnavailable: true
}

/** Returns the send over all servers, which are asked in their order. */
export const make = Effect.fnUntraced(function* (relays: readonly [Relay, ...ReadonlyArray<Relay>]) {
  const breaker = yield* CircuitBreaker.make({
    tripPolicy: CircuitBreaker.consecutive(failuresMax),
    openDuration
  })

  const sendBy = ({ name, send }: Relay, envelope: Envelope, message: Uint8Array) =>
    send(envelope, message).pipe(
      Effect.tap(({ _tag }) =>
        Metric.update(Metric.withAttributes(sends, { provider: name, outcome: _tag }), 1)
      ),
      breaker.execute({
        key: name,
        classify: (exit) =>
          Exit.isSuccess(exit) && !isFailure(exit.value) ? CircuitBreaker.success : CircuitBreaker.failure()
      }),
      Effect.orElseSucceed(() => resting)
    )

  return Effect.fnUntraced(
    function* (envelope: Envelope, message: Uint8Array) {
      const [first, ...others] = relays
      let outcome = yield* sendBy(first, envelope, message)
      for (const relay of others) {
        if (!mayGoElsewhere(outcome)) return outcome
        const next = yield* sendBy(relay, envelope, message)
        // A server that is unavailable now may carry the address later.
        if (next._tag !== "unsupported") outcome = next
      }
      return outcome
    },
    // A pool cannot take a message back: it may still go out.
    Effect.timeoutOrElse({
      duration: sendDeadline,
      orElse: () =>
        Effect.succeed<Outcome>({ _tag: "unknown", detail: "no answer in time", isUnavailable: false })
    })
  )
})
