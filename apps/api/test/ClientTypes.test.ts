import { assert, describe, it } from "@effect/vitest"
import type { Api } from "@hypermarket/api/endpoints"
import type { Client } from "@hypermarket/client"
import type * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import type * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import type { Schema } from "effect"

type Groups = typeof Api extends HttpApi.HttpApi<string, infer Group> ? Group : never

/** The last word of a name in camel case, with what is before it. */
type Split<
  Name,
  Before extends string = "",
  Word extends string = ""
> = Name extends `${infer Character}${infer Rest}`
  ? Character extends Uppercase<Character>
    ? Split<Rest, `${Before}${Word}`, Character>
    : Split<Rest, Before, `${Word}${Character}`>
  : readonly [Before, Word]

type Singular<Noun> = Noun extends `${infer Stem}ies`
  ? `${Stem}y`
  : Noun extends `${infer Stem}xes`
    ? `${Stem}x`
    : Noun extends `${infer Stem}s`
      ? Stem
      : Noun

/** The name that the document has for an endpoint, as core's `operationNames` makes it. */
type PublicName<Group, Name> =
  Split<Name> extends readonly [infer Verb, infer Noun extends string]
    ? Verb extends ""
      ? Name
      : Singular<Lowercase<Noun>> extends Singular<Lowercase<Split<Group>[1]>>
        ? Verb
        : Name
    : never

/** The body of a response as JSON has it. */
type BodyOf<S> = [S] extends [never]
  ? void
  : S extends HttpApiSchema.WithHeaders<infer Body, infer _Headers>
    ? BodyOf<Body>
    : S extends Schema.toCodecJson<infer Inner>
      ? Inner["Encoded"]
      : S extends { readonly Encoded: infer Encoded }
        ? void extends Encoded
          ? void
          : Encoded
        : void

type Derived = {
  readonly [Group in Groups as Group["identifier"]]: {
    readonly [
      Endpoint in HttpApiGroup.Endpoints<Group> as PublicName<Group["identifier"], Endpoint["identifier"]> &
        string
    ]: BodyOf<HttpApiEndpoint.Success<Endpoint>>
  }
}

type Generated = {
  readonly [Group in keyof Client]: {
    readonly [Name in keyof Client[Group]]: Client[Group][Name] extends (
      ...args: never
    ) => PromiseLike<infer Answer>
      ? Answer
      : never
  }
}

/** The document bounds the depth of a filter, and the type of the group does not. */
type HasFilter = `subscriptions.${string}` | `webhooks.${string}`

/** Bodies that a program reads as they come have no type of JSON. */
type IsSame<Name, A, B> = [B] extends [Response]
  ? true
  : [B] extends [A]
    ? [A] extends [B]
      ? true
      : Name extends HasFilter
        ? true
        : false
    : false

type Different = {
  [Group in keyof Generated]: {
    [Name in keyof Generated[Group]]: Group extends keyof Derived
      ? Name extends keyof Derived[Group]
        ? IsSame<
            `${Group & string}.${Name & string}`,
            Derived[Group][Name],
            Generated[Group][Name]
          > extends true
          ? never
          : `${Group & string}.${Name & string}`
        : `${Group & string}.${Name & string} has no endpoint`
      : `${Group & string} has no group`
  }[keyof Generated[Group]]
}[keyof Generated]

type Missing = {
  [Group in keyof Derived]: Group extends keyof Generated
    ? Exclude<keyof Derived[Group], keyof Generated[Group]>
    : Group
}[keyof Derived]

/** Compiles with `true` alone, for a type that is `never`. */
type None<A> = [A] extends [never] ? true : { readonly differs: A }

describe("The types of the client", () => {
  it("are those that the groups of the API have, for every response and in both directions", () => {
    const isSame: None<Different> = true
    const isComplete: None<Missing> = true
    assert.isTrue(isSame && isComplete)
  })
})
