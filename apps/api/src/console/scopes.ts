/** The scopes that read everything of a tenant: those of the composed API. */
import * as AccessScope from "@hypermarket/core/AccessScope"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as Context from "effect/Context"
import * as HttpApi from "effect/http-api/HttpApi"
import { Api } from "../endpoints.ts"

const areas = new Set<string>()
HttpApi.reflect(Api, {
  onGroup: () => undefined,
  onEndpoint: ({ mergedAnnotations }) => {
    const scope = Context.get(mergedAnnotations, RequiredScope)
    if (scope !== AccessScope.everyKey && scope !== AccessScope.systemAdmin)
      areas.add(scope.replace(/:.*/, ""))
  }
})

export const readScopes: ReadonlyArray<string> = Array.from(areas, (area) => `${area}:read`)
