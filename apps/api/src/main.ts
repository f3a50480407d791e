/** The API process: `node src/main.ts`. Stops within 10 seconds of SIGTERM, with code 0. */
import * as Main from "@hypermarket/core/Main"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as Startup from "@hypermarket/installation/Startup"
import * as Effect from "effect/Effect"
import { service } from "./Server.ts"

Main.run(Main.launch(service).pipe(Effect.provide([Shutdown.layer, Startup.layerLogger])))
