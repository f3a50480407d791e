import { migration } from "@hypermarket/core/Migrations"
import * as QueueMigrations from "@hypermarket/queue/QueueMigrations"

export default migration(QueueMigrations.step(1, "hm_event"), {
  since: "0.1.0",
  oldestRelease: "0.1.0",
  locks: "none"
})
