/**
 * A worker of the quickstart's order in its own process, which the quickstart kills. `DATABASE_URL` names its database. It
 * ends with its standard input: a quickstart that is killed itself leaves no worker.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { layerWorker } from "./OrderWorkflow.ts"

process.stdin.on("close", () => process.exit()).resume()

NodeRuntime.runMain(Layer.launch(Layer.unwrap(Effect.map(Config.String("DATABASE_URL"), layerWorker))))
