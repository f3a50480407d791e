/** Streams that tell SDKs of changes. */
import { type Credentials, whileAwayMax } from "@hypermarket/core/Credentials"
import * as Problems from "@hypermarket/core/Problems"
import { TooManyStreams } from "@hypermarket/core/TooManyStreams"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"

/** Open streams per tenant and process: some 30 KB each. All browsers of a shop share one client key. */
const streamsMax = 5_000
export const streamCaps = { tenantMax: streamsMax, credentialMax: streamsMax }

export const streamRefusal = Problems.toResponse(new TooManyStreams({ cap: "tenant", streamsMax }))

/** Ends a stream before the first event that a key may no longer read: it was revoked, or has expired. */
export const whileKeyOpens =
  (credentials: Credentials["Service"], secret: string) =>
  <A, E, R>(self: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> =>
    Stream.takeWhileEffect(self, () =>
      credentials.authenticate(Redacted.make(secret), { whileAway: whileAwayMax }).pipe(
        Effect.map((credential) => Option.exists(credential, ({ isTenantActive }) => isTenantActive)),
        // A key that cannot be read: the SDK opens the stream again, and is answered then.
        Effect.orElseSucceed(() => false)
      )
    )
