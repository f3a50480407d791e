/**
 * The prose of notifications in the API reference.
 *
 * @since 0.1.0
 */
import * as Reference from "@hypermarket/core/Reference"
import { NotificationsApi } from "./NotificationsApi.ts"
import examples from "./NotificationsApi.examples.json" with { type: "json" }

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  NotificationsApi,
  {
    notifications: {
      trigger: {
        summary: "Trigger a notification",
        description:
          "Records a trigger and answers 202; the worker expands and sends it. The same `key` with the same body is a duplicate and adds nothing, for 90 days. Send `to` as one of `customer`, `seller`, `operator`, `list` and `everyone`.\n\n`critical` overrides preference and quiet hours, and is refused in a marketing category. `expiresIn` counts from `sendAt`, or from now. What became of it is in `explain`."
      },
      explain: {
        summary: "Explain a notification",
        description:
          "Returns, per channel, the state of the recipient's message and its reason: why the recipient was or was not told. `until` is when an open message is due."
      },
      cancel: {
        summary: "Cancel a notification",
        description:
          "Cancels every message of the key that is not being sent yet. `tooLate` counts those that are, or were."
      },
      list: {
        summary: "List messages",
        description: "Returns messages, newest first, at most 200 per page. Messages are kept for 90 days."
      },
      get: {
        summary: "Get a message",
        description:
          "Returns the message with each change of its state. `uncertain` counts attempts whose outcome is unknown: the recipient may have it as often again."
      }
    },
    notificationMappings: {
      setMapping: {
        summary: "Set a mapping",
        description:
          "Triggers a template by a fact of the shop, for the customer of the order. Its payload is `{ order }`, the fact's data. A fact older than `freshnessSeconds`, by default that of the category, is recorded as expired. With `delaySeconds` it is sent later, unless the order is cancelled by then."
      },
      listMappings: { summary: "List mappings", description: "Returns the mappings, by name." },
      removeMapping: {
        summary: "Remove a mapping",
        description: "Removes the mapping. What it has triggered stays."
      }
    },
    profiles: {
      setProfile: {
        summary: "Set a profile",
        description:
          "Sets the recipient's address, name, locale, time zone and quiet hours as a whole; what is left out is removed, and the tenant's default applies. Messages that are held for the recipient are decided again."
      },
      getProfile: {
        summary: "Get a profile",
        description:
          "Returns the profile. `emailProblem` says why the address of a fact was not taken. Without the scope `customers:contact` `email` and `name` are null, and `withheld` says so. A reading through the console is in the activity log."
      },
      changeList: {
        summary: "Change a list",
        description: "Adds up to 1,000 members and removes up to 1,000. A list exists while it has members."
      },
      setDefaults: {
        summary: "Set the defaults",
        description:
          "Sets locale, time zone, quiet hours, sender's name and reply address of the tenant as a whole. They apply to recipients without their own."
      },
      getDefaults: { summary: "Get the defaults", description: "Returns the defaults of the tenant." }
    },
    preferences: {
      setCategory: {
        summary: "Set a category",
        description:
          "Defines a category as a whole. A required category is sent in quiet hours unless `heedsQuiet` is true. `whenUnknown` decides about a message whose outcome is unknown: `retry` sends it again, `park` leaves it."
      },
      categories: { summary: "List categories", description: "Returns the categories, by name." },
      setPreference: {
        summary: "Set a preference",
        description:
          "Records a recipient's choice with its `source` and time. For a marketing category it is the consent: send the version of the text as `textVersion`. A required category answers 409."
      },
      get: {
        summary: "Read preferences",
        description:
          "Returns what the recipient gets of each category, and whether that is chosen, the kind's default, or required."
      }
    },
    suppressions: {
      add: {
        summary: "Suppress an address",
        description:
          "Sends no more mail to the address, until `expiresAt` or for ever. After a complaint, required categories are still sent."
      },
      findSuppression: {
        summary: "Find a suppression",
        description: "Returns the suppression of the address. Addresses are compared in their normal form."
      },
      liftSuppression: {
        summary: "Lift a suppression",
        description: "Sends mail to the address again. An address without a suppression is no error."
      }
    }
  },
  {
    examples,
    problems: {
      "urn:hypermarket:problem:notifications:refused": {
        cause: "The category or the template does not exist, or a marketing message is to be critical.",
        remedy:
          "Correct the field that `field` names: set the category, or publish a version of the template."
      },
      "urn:hypermarket:problem:notifications:payload-invalid": {
        cause: "The payload does not fit the `payloadSchema` of the template's version.",
        remedy: "Correct the fields that `errors` names, or publish a version with another schema."
      },
      "urn:hypermarket:problem:notifications:key-reused": {
        cause: "The key was triggered with another body within 90 days.",
        remedy: "Use one key per notification, for example `order/<id>/placed`."
      },
      "urn:hypermarket:problem:notifications:notification-not-found": {
        cause:
          "The tenant has no trigger with this key, no message of it for this recipient, or no message with this id.",
        remedy: "Send the key as it was triggered, and a recipient who is in its audience."
      },
      "urn:hypermarket:problem:notifications:mapping-not-found": {
        cause: "The tenant has no mapping of this name.",
        remedy: "List the mappings to find the name."
      },
      "urn:hypermarket:problem:notifications:limit": {
        cause: "The tenant has as many of these as it may have.",
        remedy: "Remove or reuse some; `max` is the limit."
      },
      "urn:hypermarket:problem:notifications:profile-not-found": {
        cause: "The tenant has no profile of this recipient.",
        remedy: "Set the profile, or publish `customer.changed`."
      },
      "urn:hypermarket:problem:notifications:category-not-found": {
        cause: "The tenant has no category of this name.",
        remedy: "List the categories, or set this one first."
      },
      "urn:hypermarket:problem:notifications:category-required": {
        cause: "Messages of the category are owed by law or contract.",
        remedy: "Offer no switch for it, or make its kind `service`."
      },
      "urn:hypermarket:problem:notifications:suppression-not-found": {
        cause: "The address is not suppressed.",
        remedy: "Nothing needs to be done: mail to it is sent."
      }
    }
  }
)
