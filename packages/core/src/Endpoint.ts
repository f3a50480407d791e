/**
 * Makes the HTTP groups of a domain: every endpoint of a group has a scope and the same middleware.
 *
 * `XApi.ts` modules use these constructors in place of `HttpApiGroup.make`, because an endpoint without the middleware
 * would answer without a key.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as OpenApi from "effect/http-api/OpenApi"
import * as AccessScope from "./AccessScope.ts"
import { Audited, NotAudited } from "./Audit.ts"
import { Authorization, PublicAccess, RequiredScope, SystemAuthorization } from "./Authorization.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The group's entry in the reference. */
  readonly title: string
  /** Two to five sentences that explain the noun. */
  readonly description: string
}

interface Annotated extends HttpApiEndpoint.Constraint {
  readonly annotations: Context.Context<never>
}

/** Every scope reads `<domain>:<right>`. */
const scopePattern = /^[a-z][a-z-]*:[a-z]+$/

const requireAnnotations = (group: string, endpoints: ReadonlyArray<Annotated>): void => {
  for (const endpoint of endpoints) {
    const scope = Context.get(endpoint.annotations, RequiredScope)
    if (!scopePattern.test(scope)) {
      throw new TypeError(`${group}.${endpoint.identifier}: annotate it with RequiredScope`)
    }
  }
}

/** Unknown fields are refused here and not on the composed API, where these annotations do nothing. */
const described = <Id extends string, Endpoints extends HttpApiEndpoint.Constraint>(
  self: HttpApiGroup.HttpApiGroup<Id, Endpoints>,
  options: Options
): HttpApiGroup.HttpApiGroup<Id, Endpoints> =>
  self
    .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
    .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
    .annotate(OpenApi.Title, options.title)
    .annotate(OpenApi.Description, options.description)

/**
 * Makes a group of endpoints that act for the tenant of the caller's key. Unknown fields of body and query are refused.
 * Every endpoint answers the errors of `Authorization`, `StorageUnavailable` among them, without listing them.
 *
 * Throws when an endpoint lacks `RequiredScope`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const group = <const Id extends string, const Endpoints extends Arr.NonEmptyReadonlyArray<Annotated>>(
  id: Id,
  options: Options,
  ...endpoints: Endpoints
) => {
  requireAnnotations(id, endpoints)
  return described(
    HttpApiGroup.make(id)
      .add(...endpoints)
      .middleware(Authorization)
      .middleware(HttpApiMiddleware.ProblemDetails),
    options
  )
}

/**
 * Makes a group of endpoints over all tenants, for the tenant-less `system:admin` credential.
 *
 * @category constructors
 * @since 0.1.0
 */
export const systemGroup = <
  const Id extends string,
  const Endpoints extends Arr.NonEmptyReadonlyArray<Annotated>
>(
  id: Id,
  options: Options,
  ...endpoints: Endpoints
) => {
  const own = HttpApiGroup.make(id)
    .add(...endpoints)
    .annotateEndpoints(RequiredScope, AccessScope.systemAdmin)
  requireAnnotations(id, Object.values<Annotated>(own.endpoints))
  return described(own.middleware(SystemAuthorization).middleware(HttpApiMiddleware.ProblemDetails), options)
}

/**
 * Makes a group of endpoints that need no key: what anybody may read, such as public keys. An endpoint that a link opens for
 * one tenant is a `TokenRoute` instead.
 *
 * Throws when an endpoint has a scope, which nothing would check.
 *
 * @category constructors
 * @since 0.1.0
 */
export const publicGroup = <
  const Id extends string,
  const Endpoints extends Arr.NonEmptyReadonlyArray<Annotated>
>(
  id: Id,
  options: Options,
  ...endpoints: Endpoints
) => {
  for (const endpoint of endpoints) {
    if (scopePattern.test(Context.get(endpoint.annotations, RequiredScope))) {
      throw new TypeError(`${id}.${endpoint.identifier}: a public endpoint has no scope`)
    }
  }
  return described(
    HttpApiGroup.make(id)
      .add(...endpoints)
      .middleware(PublicAccess)
      .middleware(HttpApiMiddleware.ProblemDetails),
    options
  )
}

/** `<noun>.<past participle>`, each of words with hyphens. */
const actionPattern = /^[a-z]+(?:-[a-z]+)*\.[a-z]+(?:-[a-z]+)*$/

/**
 * Returns a sentence per endpoint whose annotation for the audit log is missing or wrong, with what to add. An endpoint that
 * writes, which is each that is not GET, has `Audited` with the action that its service records, or `NotAudited` with the
 * reason.
 *
 * @category checks
 * @since 0.1.0
 */
export const auditFindings = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>
): ReadonlyArray<string> => {
  const findings: Array<string> = []
  HttpApi.reflect(api, {
    onGroup: () => undefined,
    onEndpoint: ({ endpoint, group, mergedAnnotations }) => {
      const name = `${group.identifier}.${endpoint.identifier}`
      const action = Context.get(mergedAnnotations, Audited)
      const reason = Context.get(mergedAnnotations, NotAudited)
      if (action !== undefined && reason !== undefined) {
        findings.push(`${name} has both Audited and NotAudited: leave one of them out`)
      } else if (action !== undefined && !actionPattern.test(action)) {
        findings.push(
          `${name}: Audited("${action}"): name the action <noun>.<past participle>, such as "flag.created"`
        )
      } else if (reason?.trim() === "") {
        findings.push(`${name}: NotAudited needs the reason`)
      } else if (endpoint.method !== "GET" && action === undefined && reason === undefined) {
        findings.push(
          `${name} writes (${endpoint.method} ${endpoint.path}) and has no annotation for the audit log. Add ` +
            `.annotate(Audited, "<noun>.<past participle>") of @hypermarket/core/Audit and record this action in the ` +
            `service's transaction with AuditedChange.change or Audit.record; or add .annotate(NotAudited, "<reason>") when the call ` +
            `changes nothing, or writes facts, events, signals or documents, which are their own record`
        )
      }
    }
  })
  return findings
}

/**
 * Returns the action of each audited endpoint by `<group>.<endpoint>`.
 *
 * @category checks
 * @since 0.1.0
 */
export const auditedActions = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>
): ReadonlyMap<string, string> => {
  const actions = new Map<string, string>()
  HttpApi.reflect(api, {
    onGroup: () => undefined,
    onEndpoint: ({ endpoint, group, mergedAnnotations }) => {
      const action = Context.get(mergedAnnotations, Audited)
      if (action !== undefined) actions.set(`${group.identifier}.${endpoint.identifier}`, action)
    }
  })
  return actions
}
