/**
 * Rules to begin with: card testing, account take-over, refund abuse, and orders that a person should look at.
 *
 * No rule blocks for a device, an address or an IP address alone: families, offices and mobile networks share them.
 *
 * @since 0.1.0
 */
import type { NewRuleSet } from "./RiskRuleSet.ts"

/**
 * The version to begin with. Try it in shadow first, and change the figures to those of the shop.
 *
 * @category constructors
 * @since 0.1.0
 */
export const starterRules: NewRuleSet = {
  note: "Starter rules",
  thresholds: { challenge: 20, review: 40, hold: 70 },
  rules: [
    {
      key: "card-declined-often",
      expression: 'count("card", "1h", "payment", "declined") >= 4',
      reason: "CARD_TESTING",
      outcome: "block",
      kinds: ["payment"]
    },
    {
      key: "device-tries-cards",
      expression:
        'distinct("device", "card", "1h") >= 4 && count("device", "1h", "payment", "declined") >= 4',
      reason: "CARD_TESTING",
      outcome: "block",
      kinds: ["payment"]
    },
    {
      key: "address-tries-cards",
      expression: 'distinct("ip", "card", "1h") >= 8 && count("ip", "1h", "payment", "declined") >= 8',
      reason: "CARD_TESTING",
      weight: 40,
      kinds: ["payment"]
    },
    {
      key: "takeover-after-failed-logins",
      expression: 'count("account", "1h", "login", "declined") >= 5',
      reason: "ACCOUNT_TAKEOVER",
      outcome: "hold",
      kinds: ["payment", "order", "payout"]
    },
    {
      key: "account-uses-many-cards",
      expression: 'distinct("account", "card", "7d") >= 4',
      reason: "MANY_CARDS",
      weight: 30,
      kinds: ["payment", "order"]
    },
    {
      key: "card-in-many-accounts",
      expression: 'distinct("card", "account", "30d") >= 3',
      reason: "SHARED_CARD",
      weight: 30,
      kinds: ["payment", "order"]
    },
    {
      key: "far-above-average",
      expression: 'count("account", "30d") >= 3 && double(amount) > 5.0 * average("account", "30d")',
      reason: "UNUSUAL_AMOUNT",
      weight: 20,
      kinds: ["payment", "order"]
    },
    {
      key: "returns-often",
      expression: 'count("account", "30d", "return") >= 5',
      reason: "REFUND_ABUSE",
      outcome: "review",
      kinds: ["return"]
    }
  ]
}
