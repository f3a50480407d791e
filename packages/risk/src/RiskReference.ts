/**
 * The prose of risk in the API reference.
 *
 * @since 0.1.0
 */
import * as Reference from "@hypermarket/core/Reference"
import { RiskApi } from "./RiskApi.ts"
import examples from "./RiskApi.examples.json" with { type: "json" }

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  RiskApi,
  {
    risk: {
      decide: {
        summary: "Decide about a signal",
        description:
          "Records the signal and evaluates the live rules over what its entities did before. The same `key` and body return the same decision; another body is refused. Without `key` it is the kind and the subject. After `deadlineMillis` (250 by default) the answer is `fallback` (`review` by default), and the decision is made all the same: repeat the request to get it."
      },
      list: {
        summary: "List decisions",
        description:
          "Returns decisions with their explanations, newest first, at most 200 per page. Without the scope `customers:contact` the frozen `attributes` are empty, and `withheld` says so."
      },
      explain: {
        summary: "Explain a decision",
        description:
          "Returns the decision with every rule that fired, the values that it read, the rules that failed, and the version that decided. Without the scope `customers:contact` the frozen `attributes` are empty, and `withheld` says so. A reading through the console is in the activity log, once per view."
      },
      record: {
        summary: "Record signals",
        description:
          "Records at most 100 signals without deciding about them. A signal whose subject is known completes that signal and counts no second time."
      },
      getSignal: {
        summary: "Get a signal",
        description:
          "Returns the signal of a subject. Of its entities it has the kinds: values are stored as keyed hashes. Without the scope `customers:contact` its `attributes` are empty, and `withheld` says so. A reading through the console is in the activity log, once per view."
      },
      complete: {
        summary: "Complete a signal",
        description:
          "Adds what became known later, such as the result of a payment. The signal stays one event of each entity and counts under its new result. The answer shows the attributes to a key with the scope `customers:contact`."
      },
      label: {
        summary: "Record labels",
        description:
          "Records what turned out about subjects. A backtest at an earlier time than `availableAt` does not see the label."
      },
      samples: {
        summary: "List samples",
        description:
          "Returns decisions about one kind of signal with the features that were frozen in them and the labels of their subjects, newest first, at most 200 per page. `hypermarket risk train` makes a scorer of them."
      }
    },
    riskRules: {
      attributes: {
        summary: "List attributes",
        description:
          "Returns the attributes that rules may read, those that facts of the shop bring included."
      },
      declare: {
        summary: "Declare attributes",
        description: "Declares attributes of signals with their types. One that exists keeps its type."
      },
      create: {
        summary: "Create a rule set",
        description:
          "Checks the rules and stores them as a new version, which decides nothing until it is chosen. Mistakes name the rule, the line and the column. Repeat the request with the same `Idempotency-Key` to retry safely."
      },
      list: {
        summary: "List rule sets",
        description: "Returns versions, newest first, at most 200 per page."
      },
      get: {
        summary: "Get a rule set",
        description: "Returns a version. Versions never change."
      },
      shadowReport: {
        summary: "Report a version in shadow",
        description:
          "Compares what the version would have decided with what was decided, over the newest 100,000 decisions."
      },
      state: {
        summary: "Get the live version",
        description:
          "Returns the live version and those in shadow, with the revision of the choice as `ETag`."
      },
      choose: {
        summary: "Choose the live version",
        description:
          "Makes a version live, and at most five shadow it, at the revision in `If-Match`. Every process decides by it within two seconds."
      },
      health: {
        summary: "Get the health of rules",
        description:
          "Returns how often each rule of the live version fired and failed over the newest 10,000 decisions, and how many of its hits were bad by their labels."
      },
      backtest: {
        summary: "Backtest a version",
        description:
          "Evaluates a version over at most 100,000 decisions of a time, with what rules could read then and labels that could be known at `asOf`. The live version reproduces its decisions."
      }
    },
    riskLinks: {
      ring: {
        summary: "Find a ring",
        description:
          "Returns the entities within two hops of one that took part in the same signals, the links between them and their newest signals. An entity with more than 50 neighbours, such as an office's address or a seller, is shown and not followed."
      }
    },
    riskLists: {
      add: {
        summary: "Add a list entry",
        description:
          "Blocks or allows an entity, with a reason and an optional expiry. The value is normalised and hashed: a blocked `kim@x.de` is also `KIM@X.DE`. Repeat the request with the same `Idempotency-Key` to retry safely."
      },
      list: {
        summary: "List list entries",
        description: "Returns entries of both lists, newest first, at most 200 per page."
      },
      remove: {
        summary: "Remove a list entry",
        description: "Removes the entry. The next decision does not see it."
      },
      snooze: {
        summary: "Snooze a rule",
        description:
          "Keeps a rule from firing for an entity until a time. The decision names the snoozed rule. Repeat the request with the same `Idempotency-Key` to retry safely."
      },
      snoozes: {
        summary: "List snoozes",
        description: "Returns snoozes, newest first, at most 200 per page."
      },
      wake: {
        summary: "End a snooze",
        description: "Removes the snooze. The next decision does not see it."
      }
    }
  },
  {
    examples,
    problems: {
      "urn:hypermarket:problem:risk:signal-not-found": {
        cause: "No signal has this kind and subject, or it is past its retention of 91 days.",
        remedy: "Check the kind and the subject, or record the signal first."
      },
      "urn:hypermarket:problem:risk:signal-key-reused": {
        cause: "The key was used for a signal with another body.",
        remedy: "Send another `key` with a changed signal, or the first body to get its decision."
      },
      "urn:hypermarket:problem:risk:signal-invalid": {
        cause: "The time, an attribute or the number of entities is out of bounds.",
        remedy: "Correct the field that `errors` names."
      },
      "urn:hypermarket:problem:risk:decision-not-found": {
        cause: "The tenant has no decision with this id, or it is past its retention.",
        remedy: "List the decisions to find the id."
      },
      "urn:hypermarket:problem:risk:secrets-missing": {
        cause: "Entities are stored as keyed hashes, and this installation has no key.",
        remedy: "Ask the operator to set `HM_SECRETS_KEYS`."
      },
      "urn:hypermarket:problem:risk:rule-set-invalid": {
        cause: "A rule does not parse, does not type-check, or is not of type bool.",
        remedy: "Correct each rule at the line and column that `errors` names."
      },
      "urn:hypermarket:problem:risk:rule-set-not-found": {
        cause: "The tenant has no rule set of this version.",
        remedy: "List the rule sets to find the version."
      },
      "urn:hypermarket:problem:risk:rule-set-limit": {
        cause: "The tenant has as many versions as it may have.",
        remedy: "Create versions from a person's changes and not in a loop."
      },
      "urn:hypermarket:problem:risk:attribute-conflict": {
        cause: "The attribute exists with another type.",
        remedy: "Declare another name, or use the type in `declaredType`."
      },
      "urn:hypermarket:problem:risk:attribute-limit": {
        cause: "The tenant has as many attributes as it may have.",
        remedy: "Use the attributes that exist."
      },
      "urn:hypermarket:problem:risk:list-entry-not-found": {
        cause: "The tenant has no entry or snooze with this id.",
        remedy: "List the entries or snoozes to find the id."
      },
      "urn:hypermarket:problem:risk:list-limit": {
        cause: "The tenant has 100,000 entries or snoozes.",
        remedy: "Remove some."
      }
    }
  }
)
