/** A process that prints a result and then ends as its argument says. */
import * as Main from "@hypermarket/core/Main"
import { Console, Effect, Runtime, Schema } from "effect"

class ParcelLost extends Schema.TaggedError<ParcelLost>()("ParcelLost", { message: Schema.String }) {}

class Reported extends Schema.TaggedError<Reported>()("Reported", {}) {
  override readonly [Runtime.errorExitCode] = 17
  override readonly [Runtime.errorReported] = false
}

const endings: Readonly<Record<string, Effect.Effect<void, ParcelLost | Reported>>> = {
  failure: Effect.fail(new ParcelLost({ message: "The eighth parcel is lost" })),
  defect: Effect.die(new Error("The scales broke")),
  reported: Effect.fail(new Reported()),
  long: Console.log("x".repeat(2_000_000))
}

Main.run(Effect.andThen(Console.log("7 parcels"), endings[process.argv[2] ?? ""] ?? Effect.void))
