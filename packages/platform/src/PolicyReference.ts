/**
 * The prose of region policies in the API reference.
 *
 * @since 0.1.0
 */
import * as Reference from "@hypermarket/core/Reference"
import { PolicyApi } from "./PolicyApi.ts"
import examples from "./PolicyApi.examples.json" with { type: "json" }

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  PolicyApi,
  {
    policy: {
      createPolicy: {
        summary: "Create a policy",
        description:
          "Creates a policy for the `actions`, within `region`, `channel` and `category`. A region is `GLOBAL`, a group such as `EU`, a country or a subdivision; `UK` and `EL` are refused, naming `GB` and `GR`. `effectiveFrom` and `effectiveUntil` are a half-open interval.\n\n`deny` wins over everything. An `allow` denies its actions, within its channel and category, wherever no `allow` applies. A value that ties with another is refused with 409 `policy-tie`: give one of them a greater `priority`."
      },
      listPolicies: {
        summary: "List policies",
        description:
          "Returns the tenant's policies in the order of their keys, 50 per page by default and at most 200. Those of the installation are not in the list. Send `nextCursor` as `cursor` for the next page; it is null on the last one."
      },
      getPolicy: {
        summary: "Get a policy",
        description:
          "Returns the policy. The `ETag` header holds its version, which a change and a removal need in `If-Match`."
      },
      changePolicy: {
        summary: "Replace a policy",
        description:
          "Replaces everything but the key, as a new version. The version before it is kept: a decision as of an earlier time (`knownAt`) still knows it.\n\nSend the version in `If-Match`. After a 412, get the policy, apply your change to it, and send it with the new version."
      },
      removePolicy: {
        summary: "Remove a policy",
        description:
          "Ends the policy now. Its versions are kept, and decisions as of an earlier time still know it. Set `effectiveUntil` instead when the law ends on a day. Its key is free again."
      },
      listVersions: {
        summary: "List a policy's versions",
        description:
          "Returns the versions of a policy, the newest first, at most 200 per page. `recordedAt` and `supersededAt` are the time in which a version was known."
      },
      decide: {
        summary: "Decide a question",
        description:
          "Decides by the policies of the installation and of the tenant, as of `at` in force and `knownAt` recorded, both now by default. The copy that it asks is at most 500 ms old; `revision` names it.\n\n`because` names the policies with their versions, legal basis and source. `undetermined` is true when something unknown decided: a missing attribute, or a country asked about where the policy is of one of its states. A deny holds then, and an allow does not.\n\nWith `reference`, which names what is decided about, the decision is made by what is in the database and is in the log of decisions before it is answered. Without it the log has the decision within seconds, when a policy led to it."
      },
      decisions: {
        summary: "List decisions",
        description:
          "Returns what was decided, the newest first: the question without its attributes, the effect, and in `because` the versions of policies that led to it. Equal decisions of a few seconds are one item, which `decisions` counts.\n\nA decision with a `reference` is always in the list, any other only when a policy led to it. Decisions are kept for 90 days. A page with a filter other than `reference` examines 10,000 items: it may have fewer than asked for, or none, and go on with `nextCursor`."
      },
      dryRun: {
        summary: "Try a policy",
        description:
          "Decides up to 1,000 questions without and with a policy that is not stored, and returns how many are denied before and after, and the first 100 that change. A policy with the same key is replaced. Create the policy with the same body to put it into force."
      }
    },
    installationPolicies: {
      createPolicy: {
        summary: "Create a policy for all tenants",
        description:
          "Creates a policy that binds every tenant, or the one that `tenant` names. Tenants can narrow it with policies of their own, and cannot lift it."
      },
      listPolicies: {
        summary: "List policies of the installation",
        description:
          "Returns the policies that bind all tenants, in the order of their keys, 50 per page by default and at most 200."
      },
      getPolicy: {
        summary: "Get a policy of the installation",
        description:
          "Returns the policy. The `ETag` header holds its version, which a change and a removal need in `If-Match`."
      },
      changePolicy: {
        summary: "Replace a policy of the installation",
        description:
          "Replaces everything but the key, as a new version. The version before it is kept. Send the version in `If-Match`."
      },
      removePolicy: {
        summary: "Remove a policy of the installation",
        description:
          "Ends the policy now, for all tenants. Its versions are kept, and decisions as of an earlier time still know it."
      }
    }
  },
  {
    examples,
    problems: {
      "urn:hypermarket:problem:platform:policy-exists": {
        cause: "A policy of this owner has this key.",
        remedy: "Choose another `policyKey`, or replace the policy that has it."
      },
      "urn:hypermarket:problem:platform:policy-not-found": {
        cause: "No policy that is recorded now has this key.",
        remedy:
          "List the policies to find the key. A removed policy is in decisions as of an earlier time only."
      },
      "urn:hypermarket:problem:platform:policy-tie": {
        cause:
          "Another value could apply to the same question, is equally specific and has the same priority. `policyKeys` lists them.",
        remedy: "Give one of them a greater `priority`, or a narrower scope or time."
      },
      "urn:hypermarket:problem:platform:policy-invalid": {
        cause:
          "The condition cannot be evaluated, or a tenant's policy names a tenant. `errors` name the fields.",
        remedy: "Correct the fields that `errors` names."
      },
      "urn:hypermarket:problem:platform:policy-limit-reached": {
        cause: "The owner has `limit` policies.",
        remedy: "Remove policies that are no longer in force, or join policies with equal effects."
      }
    }
  }
)
