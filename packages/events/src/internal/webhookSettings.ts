/** The endpoint as the activity log has it. */
import type { WebhookEndpoint } from "../Webhook.ts"

/** The health of an endpoint is no setting, and its secret is in no log. */
export const settingsOf = ({
  description,
  filters,
  format,
  ordered,
  publicKey,
  status,
  url,
  version
}: WebhookEndpoint) => ({
  url,
  description,
  filters,
  ordered,
  format,
  publicKey,
  status,
  version
})
