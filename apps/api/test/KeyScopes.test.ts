import { assert, describe, it } from "@effect/vitest"
import { Api } from "@hypermarket/api/endpoints"
import * as AccessScope from "@hypermarket/core/AccessScope"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as KeyScopes from "@hypermarket/installation/KeyScopes"
import { Context } from "effect"
import { HttpApi } from "effect/http-api"

const asked = new Set<string>()
HttpApi.reflect(Api, {
  onGroup: () => undefined,
  onEndpoint: ({ mergedAnnotations }) => {
    const scope = Context.get(mergedAnnotations, RequiredScope)
    if (scope !== AccessScope.everyKey && scope !== AccessScope.systemAdmin) asked.add(scope)
  }
})
const areasAsked = new Set(
  Array.from(asked)
    .filter((scope) => !AccessScope.ofData.some((ofData) => ofData === scope))
    .map((scope) => scope.replace(/:.*/, ""))
)

describe("the scopes that a key can have", () => {
  it("are of the areas that the composed API asks for, every one and no other", () => {
    assert.deepStrictEqual([...KeyScopes.areas], Array.from(areasAsked).toSorted())
    for (const scope of asked) assert.isTrue(KeyScopes.exists(scope), scope)
  })

  it("are no scope of an area that does not exist", () => {
    for (const scope of ["event:write", "searches:read", "system:admin", "tenant:any", ""])
      assert.isFalse(KeyScopes.exists(scope), scope)
  })
})
