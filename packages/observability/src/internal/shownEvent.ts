/**
 * The part of an event that a caller may see. Without further scopes that is what a developer needs to find the cause: the
 * exceptions with their stacks, the release and where it ran. What else an SDK sends is data of customers, or may be.
 */
import * as AccessScope from "@hypermarket/core/AccessScope"
import type * as Withheld from "@hypermarket/core/Withheld"
import { isObject } from "effect/Predicate"
import type * as Schema from "effect/Schema"
import { IssueEventData } from "../Issue.ts"

type Fields = { readonly [name: string]: Schema.Json }

const isFields = (value: Schema.Json): value is Fields => isObject(value) && !Array.isArray(value)

/** Keeps a value, or the part of it that a function returns. */
type Rule = true | ((value: Schema.Json) => Schema.Json)

/** Keeps the named fields of an object. A field that is not named is withheld, also one that a later SDK sends. */
const fieldsOf =
  (rules: Readonly<Record<string, Rule>>) =>
  (value: Schema.Json): Schema.Json =>
    isFields(value)
      ? Object.fromEntries(
          Object.entries(value).flatMap(([name, member]): ReadonlyArray<[string, Schema.Json]> => {
            const rule = Object.hasOwn(rules, name) ? rules[name] : undefined
            return rule === undefined ? [] : [[name, rule === true ? member : rule(member)]]
          })
        )
      : null

const eachOf =
  (rule: (value: Schema.Json) => Schema.Json) =>
  (value: Schema.Json): Schema.Json =>
    Array.isArray(value) ? value.map(rule) : null

/** Local variables are not among them. */
const frame = fieldsOf({
  filename: true,
  abs_path: true,
  function: true,
  module: true,
  package: true,
  platform: true,
  lineno: true,
  colno: true,
  in_app: true,
  context_line: true,
  pre_context: true,
  post_context: true,
  debug_id: true
})

const exception = fieldsOf({
  type: true,
  value: true,
  module: true,
  mechanism: fieldsOf({ type: true, handled: true, synthetic: true, exception_id: true, parent_id: true }),
  stacktrace: fieldsOf({ frames: eachOf(frame) })
})

/** `user` has a separate scope. */
const withoutPayload = fieldsOf({
  event_id: true,
  type: true,
  platform: true,
  level: true,
  timestamp: true,
  received: true,
  release: true,
  dist: true,
  environment: true,
  logger: true,
  transaction: true,
  server_name: true,
  sdk: true,
  fingerprint: true,
  errors: true,
  debug_meta: true,
  message: true,
  logentry: fieldsOf({ message: true, formatted: true }),
  tags: true,
  user: true,
  exception: fieldsOf({ values: eachOf(exception) })
})

const withoutUser = ({ user: _user, ...event }: Fields): Fields => event

/** Returns the event as a key with the scopes sees it. `withheld` names the scopes that would show more of this event. */
export const shownTo = (scopes: ReadonlySet<string>, event: IssueEventData): IssueEventData => {
  const withheld: Array<Withheld.Scope> = []
  let data = event.data
  if (!AccessScope.includes(scopes, AccessScope.payload)) {
    data = withoutPayload(data)
    if (JSON.stringify(data) !== JSON.stringify(event.data)) withheld.push(AccessScope.payload)
  }
  if (isFields(data) && "user" in data && !AccessScope.includes(scopes, AccessScope.contact)) {
    data = withoutUser(data)
    withheld.push(AccessScope.contact)
  }
  return withheld.length === 0 ? event : new IssueEventData({ ...event, data, withheld })
}
