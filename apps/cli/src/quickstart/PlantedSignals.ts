/**
 * Payments of good customers and three attacks, derived from a seed. The sample shop has no cards, devices or addresses: all of it is
 * simulated, and every name says so. Nothing here knows the rules that decide.
 *
 * The rule: each choice is the murmur3 bucket of its name, salted with `planted-<seed>`. Each of 24 good customers pays once, from 5 to
 * 205 dollars, with another card and device; about a third come from one office. A bot tries 6 to 15 stolen cards that are declined,
 * and goes on with three. A stranger fails to log in to a good customer's account 6 to 15 times, and pays. A customer returns 6 to 15
 * orders, and one more.
 */
import * as Bucketing from "@hypermarket/core/Bucketing"
import type * as Schema from "effect/Schema"

/** The seed of a quickstart that names none. */
export const seedDefault = 7

export type Signal = Readonly<Record<string, Schema.Json>>

export interface Attack {
  readonly name: string
  /** Signals that the shop recorded before. */
  readonly before: ReadonlyArray<Signal>
  /** Signals that the shop asks about. */
  readonly tries: ReadonlyArray<Signal>
}

export interface Planted {
  readonly good: ReadonlyArray<Signal>
  readonly attacks: ReadonlyArray<Attack>
}

const goodCount = 24
const officeShare = 1 / 3
const repeatedMin = 6
const repeatedMax = 15

const usd = (cents: number) => ({ amount: String(cents), currency: "USD" })

const upTo = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, index) => index)

/** Returns the signals of a seed: the same ones each time. */
export const plan = (seed: number): Planted => {
  const chance = (choice: string) => Bucketing.bucket("murmur3", `planted-${seed}`, choice)
  const between = (choice: string, least: number, most: number) =>
    least + Math.floor(chance(choice) * (most - least + 1))
  const name = (text: string) => `simulated-${seed}-${text}`

  const customers = upTo(goodCount).map((index) => ({
    account: name(`customer-${index}`),
    card: name(`card-${index}`),
    device: name(`device-${index}`),
    ip: chance(`office-${index}`) < officeShare ? "198.51.100.7" : `198.51.100.${100 + index}`
  }))
  const good = customers.map((entities, index) => ({
    kind: "payment",
    subject: name(`good-${index}`),
    result: "approved",
    amount: usd(between(`amount-${index}`, 500, 20_500)),
    entities
  }))

  const cards = between("stolen-cards", repeatedMin, repeatedMax)
  const botAddress = `203.0.113.${between("bot-address", 1, 120)}`
  const stolen = (index: number) => ({
    kind: "payment",
    subject: name(`stolen-${index}`),
    amount: usd(between(`stolen-amount-${index}`, 50, 200)),
    entities: { card: name(`stolen-card-${index}`), device: name("bot"), ip: botAddress }
  })

  const victim = customers[between("victim", 0, goodCount - 1)]
  const account = victim?.account ?? name("customer-0")
  const strangerAddress = `203.0.113.${between("stranger-address", 130, 250)}`

  const returned = (index: number) => ({
    kind: "return",
    subject: name(`return-${index}`),
    entities: { account: name("returner") }
  })
  const returns = between("returns", repeatedMin, repeatedMax)

  return {
    good,
    attacks: [
      {
        name: "card testing",
        before: upTo(cards).map((index) => ({ ...stolen(index), result: "declined" })),
        tries: upTo(3).map((index) => stolen(cards + index))
      },
      {
        name: "account take-over",
        before: upTo(between("failed-logins", repeatedMin, repeatedMax)).map((index) => ({
          kind: "login",
          subject: name(`login-${index}`),
          result: "declined",
          entities: { account, ip: strangerAddress }
        })),
        tries: [
          {
            kind: "payment",
            subject: name("takeover"),
            amount: usd(between("takeover-amount", 40_000, 120_000)),
            entities: { account, device: name("new-device"), ip: strangerAddress }
          }
        ]
      },
      {
        name: "refund abuse",
        before: upTo(returns).map(returned),
        tries: [returned(returns)]
      }
    ]
  }
}
