/**
 * @since 0.1.0
 */
import * as Migrations from "@hypermarket/core/Migrations"
import manifest from "../package.json" with { type: "json" }
import tenant from "./migrations/0001_tenant.ts"
import apiKey from "./migrations/0002_api_key.ts"
import feature from "./migrations/0003_feature.ts"
import activity from "./migrations/0004_activity.ts"
import policy from "./migrations/0005_policy.ts"
import consoleSession from "./migrations/0006_console.ts"
import subject from "./migrations/0007_subject.ts"
import activityRetention from "./migrations/0008_activity_retention.ts"
import flagUsage from "./migrations/0009_flag_usage.ts"
import flagRequest from "./migrations/0010_flag_request.ts"
import policyDecision from "./migrations/0011_policy_decision.ts"
import activityHash from "./migrations/0012_activity_hash.ts"

/**
 * @category migrations
 * @since 0.1.0
 */
export const migrations = Migrations.make(
  "platform",
  {
    "0001_tenant": tenant,
    "0002_api_key": apiKey,
    "0003_feature": feature,
    "0004_activity": activity,
    "0005_policy": policy,
    "0006_console": consoleSession,
    "0007_subject": subject,
    "0008_activity_retention": activityRetention,
    "0009_flag_usage": flagUsage,
    "0010_flag_request": flagRequest,
    "0011_policy_decision": policyDecision,
    "0012_activity_hash": activityHash
  },
  { release: manifest.version }
)
