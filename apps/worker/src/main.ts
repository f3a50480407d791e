/** The worker process: `node src/main.ts`. Stops within 10 seconds of SIGTERM, with code 0. */
import * as Startup from "@hypermarket/installation/Startup"
import { service } from "./Worker.ts"

Startup.run(service)
