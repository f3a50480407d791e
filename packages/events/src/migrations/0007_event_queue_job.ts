import * as QueueMigrations from "@hypermarket/queue/QueueMigrations"

export default QueueMigrations.migration(2, "hm_event", { since: "0.1.0", oldestRelease: "0.1.0" })
