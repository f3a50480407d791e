/**
 * unleash-client, GrowthBook's client for several users and flagd-core, each with the same flags in its own notation. An evaluation
 * returns whether the flag is on.
 */
import { GrowthBookClient } from "@growthbook/growthbook"
import { FlagdCore } from "@openfeature/flagd-core"
import { InMemStorageProvider, Unleash } from "unleash-client"

const unleashOperators = { in: "IN", startsWith: "STR_STARTS_WITH", gt: "NUM_GT" }

const unleashConstraint = ({ attribute, operator, value, values }) => ({
  contextName: attribute,
  operator: unleashOperators[operator],
  ...(values === undefined ? { value: String(value) } : { values }),
  inverted: false,
  caseInsensitive: false
})

const unleashOf = async (flags) => {
  const client = new Unleash({
    appName: "bench",
    url: "http://127.0.0.1:9/api",
    bootstrap: {
      data: flags.map(({ conditions, key, percentage }) => ({
        name: key,
        type: "release",
        enabled: true,
        variants: [],
        impressionData: false,
        strategies: [
          {
            name: "flexibleRollout",
            parameters: { rollout: String(percentage), stickiness: "userId", groupId: key },
            constraints: conditions.map(unleashConstraint)
          }
        ]
      }))
    },
    disableMetrics: true,
    refreshInterval: 0,
    storageProvider: new InMemStorageProvider(),
    skipInstanceCountWarning: true
  })
  // It asks its server once, and goes on with what it was given.
  client.on("error", () => undefined)
  client.on("warn", () => undefined)
  await new Promise((resolve) => client.once("ready", resolve))
  return {
    evaluate: (key, context) => client.isEnabled(key, context),
    contextOf: ({ targetingKey, ...properties }) => ({ userId: targetingKey, properties }),
    close: () => client.destroy()
  }
}

const growthbookCondition = ({ attribute, operator, value, values }) => {
  if (operator === "in") return { [attribute]: { $in: values } }
  if (operator === "gt") return { [attribute]: { $gt: value } }
  return { [attribute]: { $regex: `^(?:${values.join("|")})` } }
}

const growthbookOf = (flags) => {
  const client = new GrowthBookClient()
  client.initSync({
    payload: {
      features: Object.fromEntries(
        flags.map(({ conditions, key, percentage }) => [
          key,
          {
            defaultValue: false,
            rules: [
              {
                id: "rule",
                condition: Object.assign({}, ...conditions.map(growthbookCondition)),
                force: true,
                coverage: percentage / 100,
                hashAttribute: "id",
                hashVersion: 2,
                seed: key
              }
            ]
          }
        ])
      )
    }
  })
  return {
    evaluate: (key, context) => client.evalFeature(key, context).on,
    contextOf: ({ targetingKey, ...attributes }) => ({ attributes: { id: targetingKey, ...attributes } }),
    close: () => client.destroy()
  }
}

const flagdCondition = ({ attribute, operator, value, values }) => {
  if (operator === "in") return { in: [{ var: attribute }, values] }
  if (operator === "gt") return { ">": [{ var: attribute }, value] }
  return { or: values.map((text) => ({ starts_with: [{ var: attribute }, text] })) }
}

const logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined
}

const flagdOf = (flags) => {
  const core = new FlagdCore()
  core.setConfigurations(
    JSON.stringify({
      flags: Object.fromEntries(
        flags.map(({ conditions, key, percentage }) => [
          key,
          {
            state: "ENABLED",
            variants: { on: true, off: false },
            defaultVariant: "off",
            targeting: {
              if: [
                { and: conditions.map(flagdCondition) },
                {
                  fractional: [
                    { cat: [{ var: "$flagd.flagKey" }, { var: "targetingKey" }] },
                    ["on", percentage],
                    ["off", 100 - percentage]
                  ]
                },
                "off"
              ]
            }
          }
        ])
      )
    })
  )
  return {
    evaluate: (key, context) => core.resolveBooleanEvaluation(key, false, context, logger).value,
    contextOf: (user) => user,
    close: () => undefined
  }
}

export const make = async (flags) => ({
  "unleash-client": await unleashOf(flags),
  GrowthBook: growthbookOf(flags),
  "flagd-core": flagdOf(flags)
})
