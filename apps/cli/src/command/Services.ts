/** `hypermarket api` and `hypermarket worker`: the service processes. */
import * as Server from "@hypermarket/api/Server"
import * as Main from "@hypermarket/core/Main"
import * as Worker from "@hypermarket/worker/Worker"
import * as Command from "effect/cli/Command"
import { orCommandFailed } from "../CommandFailed.ts"

export const api = Command.make("api", {}, () => orCommandFailed(Main.launch(Server.service))).pipe(
  Command.withDescription("Run the HTTP API on HM_API_PORT. Migrates first, unless HM_MIGRATE_ON_START=false")
)

export const worker = Command.make("worker", {}, () => orCommandFailed(Main.launch(Worker.service))).pipe(
  Command.withDescription("Run the background worker; its /health/* and /metrics are on HM_WORKER_PORT")
)
