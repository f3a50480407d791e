/**
 * The prose of rate limits and quotas in the API reference.
 *
 * @since 0.1.0
 */
import * as Reference from "@hypermarket/core/Reference"
import { QuotasApi } from "./QuotasApi.ts"
import examples from "./QuotasApi.examples.json" with { type: "json" }

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  QuotasApi,
  {
    limits: {
      createPolicy: {
        summary: "Create a rate policy",
        description:
          "Creates a policy. Every process applies it within 500 ms. `burst` is the quota by default. A policy named `default` applies to requests whose route no other policy names."
      },
      listPolicies: {
        summary: "List rate policies",
        description: "Returns policies by name, at most 200 per page."
      },
      getPolicy: {
        summary: "Get a rate policy",
        description: "Returns the policy, with its version as `ETag`."
      },
      updatePolicy: {
        summary: "Change a rate policy",
        description:
          "Changes the policy at the version in `If-Match`. A raised limit admits everywhere within 500 ms, also requests that were just denied. A lowered one leaves no debt."
      },
      removePolicy: {
        summary: "Remove a rate policy",
        description: "Removes the policy at the version in `If-Match`, with its overrides."
      },
      putOverride: {
        summary: "Set an override",
        description:
          "Sets another quota for one subject, or lifts the policy for it with `bypass`. It replaces the override that the subject has, so the request is safe to repeat."
      },
      listOverrides: {
        summary: "List overrides",
        description: "Returns the overrides of a policy, oldest first."
      },
      removeOverride: {
        summary: "Remove an override",
        description: "Removes the override. The numbers of the policy apply within 500 ms."
      },
      check: {
        summary: "Check a request",
        description:
          "Charges all the policies, or none. A denial is an answer with `allowed: false` and the seconds to wait. A check that is not decided within 100 ms is decided by the policy's `whenUnavailable`."
      },
      peek: {
        summary: "Read a bucket",
        description: "Returns what is left for a subject and charges nothing."
      },
      refund: {
        summary: "Refund a cost",
        description:
          "Gives a cost back, at most what is used. A refund of something that has drained, or of a bucket that is full, changes nothing. It is not idempotent: each request refunds again, so repeat an unanswered one only when a second refund is acceptable. A lease of the kind `concurrency` is released instead: refunding it changes nothing."
      },
      reset: {
        summary: "Reset a bucket",
        description: "Empties a subject's bucket: its next requests find all of the quota."
      },
      release: {
        summary: "Release a lease",
        description:
          "Frees the slots that a check under policies of the kind `concurrency` holds. Releasing again, after the lease has ended by itself, or with an unknown `lease`, answers 204 and changes nothing: it never frees another lease's slot. Policies of other kinds in the request are ignored."
      }
    },
    installationLimits: {
      createPolicy: {
        summary: "Create an installation policy",
        description:
          "Creates a policy for the requests of all tenants. Every process applies it within 500 ms. A policy that counts by `tenant` has a bucket per tenant. `burst` is the quota by default."
      },
      listPolicies: {
        summary: "List installation policies",
        description: "Returns the policies of the installation by name, at most 200 per page."
      },
      getPolicy: {
        summary: "Get an installation policy",
        description: "Returns the policy, with its version as `ETag`."
      },
      updatePolicy: {
        summary: "Change an installation policy",
        description:
          "Changes the policy at the version in `If-Match`, for all tenants. Every process applies the change within 500 ms. A lowered limit leaves no debt."
      },
      removePolicy: {
        summary: "Remove an installation policy",
        description: "Removes the policy at the version in `If-Match`, with its overrides."
      },
      putOverride: {
        summary: "Set an installation override",
        description:
          "Sets another quota for one subject, for example a tenant, or lifts the policy for it with `bypass`. It replaces the override that the subject has, so the request is safe to repeat."
      },
      listOverrides: {
        summary: "List installation overrides",
        description: "Returns the overrides of a policy, oldest first."
      },
      removeOverride: {
        summary: "Remove an installation override",
        description: "Removes the override. The numbers of the policy apply within 500 ms."
      }
    },
    quotas: {
      createFeature: {
        summary: "Create a feature",
        description:
          "Creates a feature. Periods follow one another from the anchor in the zone's calendar. Each threshold is a percent of the limit whose event `com.hypermarket.quotas.threshold.reached.v1` is published once per period and limit."
      },
      listFeatures: {
        summary: "List features",
        description: "Returns features by name, at most 200 per page."
      },
      getFeature: {
        summary: "Get a feature",
        description: "Returns the feature, with its version as `ETag`."
      },
      updateFeature: {
        summary: "Change a feature",
        description:
          "Changes thresholds, and whether the limit is soft, at the version in `If-Match`. A feature keeps its kind and its period."
      },
      removeFeature: {
        summary: "Remove a feature",
        description: "Removes the feature and its grants at the version in `If-Match`. Recorded usage stays."
      },
      grant: {
        summary: "Grant an amount",
        description:
          "Adds to the limit of the tenant, or of a subject. Overrides replace plans; the source `grant` is added. Grants burn by `priority`, then the one that expires soonest, then the oldest: after its expiry a grant counts for what it has burnt. With `rolloverMax` the rest of a recurring grant is added to the next period, up to that amount; it burns first there and expires with the period. Send the same `Idempotency-Key` to retry safely."
      },
      listGrants: {
        summary: "List grants",
        description: "Returns the grants of a feature by subject, oldest first."
      },
      revokeGrant: {
        summary: "Revoke a grant",
        description: "Removes a grant. What was used of it stays used: a lowered limit is overage."
      },
      reserve: {
        summary: "Reserve an amount",
        description:
          "Reserves an amount, or answers 409 with the rest. `key` is remembered for 35 days: repeat the request with it to retry safely. An open reservation ends after `expiresInSeconds`."
      },
      getReservation: {
        summary: "Get a reservation",
        description: "Returns a reservation. Settled ones are kept for 35 days."
      },
      commit: {
        summary: "Commit a reservation",
        description:
          "Commits what was used, all of it by default, and gives the rest back. Committing the same amount again returns the same answer and changes nothing. More than is reserved is refused with 422, and the reservation stays open. A reservation that was committed with another amount, was released or has expired is refused with 409: record what was used instead."
      },
      release: {
        summary: "Release a reservation",
        description:
          "Gives a reservation back. Releasing it again returns the same answer and changes nothing. A reservation that was committed or has expired is refused with 409; an expired one has given its amount back already."
      },
      record: {
        summary: "Record usage",
        description:
          "Records usage that happened and returns the usage of its period. It is kept above the limit too, and the answer has the overage. `key` is remembered for 35 days: a repeated request counts once."
      },
      usage: {
        summary: "Read usage",
        description:
          "Returns usage, open reservations and rest of the period that contains `at`, in one snapshot."
      },
      check: {
        summary: "Check several features",
        description:
          "Returns what could be reserved now, of up to 50 features in one snapshot. Reserves nothing."
      }
    }
  },
  {
    examples,
    problems: {
      "urn:hypermarket:problem:quotas:amount-too-high": {
        cause: "More was to be committed than is reserved.",
        remedy: "Commit at most `reserved`, and record the rest."
      },
      "urn:hypermarket:problem:quotas:catalog-limit": {
        cause: "The tenant has `max` features, or the subject has `max` grants of the feature.",
        remedy: "Remove a feature, or revoke a grant, that is not used."
      },
      "urn:hypermarket:problem:quotas:cost-too-high": {
        cause: "The cost is above the burst or the quota of the policy, so the request could never pass.",
        remedy: "Send a `cost` of at most `costMax`, or raise the policy."
      },
      "urn:hypermarket:problem:quotas:feature-exists": {
        cause: "Another feature of the tenant has this name.",
        remedy: "Choose another `feature`, or change the one that exists."
      },
      "urn:hypermarket:problem:quotas:feature-not-found": {
        cause: "The tenant has no feature with this name.",
        remedy: "List the features to find the name."
      },
      "urn:hypermarket:problem:quotas:grant-invalid": {
        cause: "The grant ends before it begins.",
        remedy: "Correct the fields in `errors`."
      },
      "urn:hypermarket:problem:quotas:grant-not-found": {
        cause: "The feature has no grant with this id.",
        remedy: "List the grants of the feature to find the id."
      },
      "urn:hypermarket:problem:quotas:key-reused": {
        cause: "The `key` was used with another request in the last 35 days.",
        remedy: "Send a new `key`."
      },
      "urn:hypermarket:problem:quotas:kind-mismatch": {
        cause: "The field does not fit the kind of the feature, for example an amount for a boolean feature.",
        remedy: "Leave `field` out, or use a feature of another kind."
      },
      "urn:hypermarket:problem:quotas:limits-unavailable": {
        cause: "The database did not decide in time, and the policy is closed then.",
        remedy: "Try again later, or set `whenUnavailable` of the policy to `open`."
      },
      "urn:hypermarket:problem:quotas:override-not-found": {
        cause: "The policy has no override with this id.",
        remedy: "List the overrides of the policy to find the id."
      },
      "urn:hypermarket:problem:quotas:policy-exists": {
        cause: "Another policy has this name.",
        remedy: "Choose another `policy`, or change the one that exists."
      },
      "urn:hypermarket:problem:quotas:policy-invalid": {
        cause: "A number does not fit the kind of the policy.",
        remedy: "Correct the fields in `errors`."
      },
      "urn:hypermarket:problem:quotas:policy-limit": {
        cause: "There are `max` policies or overrides.",
        remedy: "Remove a policy or an override that is not used."
      },
      "urn:hypermarket:problem:quotas:policy-not-found": {
        cause: "There is no policy with this name.",
        remedy: "List the policies to find the name."
      },
      "urn:hypermarket:problem:quotas:quota-exceeded": {
        cause: "The rest of the period is smaller than the amount. Nothing was reserved.",
        remedy: "Reserve at most `remaining`, wait until `periodEnd`, or grant more."
      },
      "urn:hypermarket:problem:quotas:reservation-not-found": {
        cause: "The tenant has no reservation with this id, or it was settled more than 35 days ago.",
        remedy: "Use the `reservationId` of the response that reserved the amount."
      },
      "urn:hypermarket:problem:quotas:reservation-settled": {
        cause:
          "The reservation was committed with another amount, was released, or has expired. `reason` names which.",
        remedy: "Reserve again, or record usage that has happened."
      },
      "urn:hypermarket:problem:quotas:subject-invalid": {
        cause: "The policy counts by a part that the subject lacks, or the subject is too long.",
        remedy: "Send the part of the subject that `part` names, or shorten it."
      }
    }
  }
)
