/**
 * Every list that a domain must be in, walked over the packages that are there. `pnpm new-domain` enters a domain in all
 * of them.
 */
import { assert, describe, it } from "@effect/vitest"
import { Api, references } from "@hypermarket/api/endpoints"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as Endpoint from "@hypermarket/core/Endpoint"
import { domains } from "@hypermarket/installation/domains"
import * as Context from "effect/Context"
import { HttpApi, OpenApi } from "effect/http-api"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import * as Path from "node:path"
import pending from "./pending.json" with { type: "json" }

const root = Path.resolve(import.meta.dirname, "../../..")
const read = (file: string): string => readFileSync(`${root}/${file}`, "utf8")

/** The folders of packages whose tag is `domain`. */
const names = readdirSync(`${root}/packages`).filter((name) => {
  const file = `packages/${name}/turbo.json`
  return existsSync(`${root}/${file}`) && read(file).includes('"domain"')
})

/** The text of all modules of a package: a large API has a file per group. */
const sourcesOf = (name: string): string =>
  readdirSync(`${root}/packages/${name}/src`)
    .filter((file) => file.endsWith(".ts"))
    .map((file) => read(`packages/${name}/src/${file}`))
    .join("\n")

const capitalized = (name: string): string => name.slice(0, 1).toUpperCase() + name.slice(1)

/** Nouns that are offered over HTTP alone: those of the installation, schemas of facts, and releases of reported errors. */
const overHttpOnly = ["facts", "overview", "releases", "system"]

/**
 * Services without a group. Units and looks are operations of `experiments` over HTTP, evaluations are `flags.explain` and the
 * protocols, and the others have no endpoint.
 */
const inProcessOnly = [
  "caughtMessages",
  "experimentLooks",
  "experimentUnits",
  "flagEvaluations",
  "flexibleLimits"
]

/**
 * Operations whose method has another form or is that of another service: HTTP has a request for each state of a queue, one for
 * all zones, and the operations of units and looks in `experiments`.
 */
const otherOperations = [
  "audit.exportActivity",
  "experiments.expose",
  "experiments.listLooks",
  "experiments.recordFacts",
  "experiments.takeLook",
  "flags.explain",
  "keys.currentTenant",
  "queues.pause",
  "queues.resume",
  "sales.catalogue",
  "schedules.change",
  "tenants.createTenantKey",
  "zones.get",
  "zones.set"
]

/** Group and name of every operation, as the document and the client have them. */
const named = Object.values(OpenApi.fromApi(Api).paths).flatMap((path) =>
  Object.values(path).flatMap((operation): ReadonlyArray<readonly [group: string, operation: string]> => {
    if (typeof operation !== "object" || !("operationId" in operation)) return []
    const [group = "", name = ""] = operation.operationId.split(".")
    return [[group, name]]
  })
)

const repeated = (list: ReadonlyArray<string>): ReadonlyArray<string> =>
  list.filter((entry, index) => list.indexOf(entry) !== index)

const operations: Array<string> = []
const scopes: Array<{ readonly path: string; readonly scope: string }> = []
HttpApi.reflect(Api, {
  onGroup: () => undefined,
  onEndpoint: ({ endpoint, group, mergedAnnotations }) => {
    scopes.push({ path: endpoint.path, scope: Context.get(mergedAnnotations, RequiredScope) })
    operations.push(`${group.identifier}.${endpoint.identifier}`)
  }
})

/** The token opens a stream, whose answer does not end: `OfrepStreams.test.ts` reads it. */
const endless = new Set(["OfrepProtocol.ts"])

describe("a domain", () => {
  for (const name of names) {
    const sources = readdirSync(`${root}/packages/${name}/src`).filter((file) => file.endsWith(".ts"))
    const domain = domains.find((entry) => entry.name === name)

    it(`${name} is in the list of the installation, with its tables`, () => {
      assert.isDefined(domain, "apps/installation/src/domains.ts")
      assert.isNotEmpty(domain?.tables ?? [])
    })

    it(`${name} is served: its API and its handlers are in endpoints.ts`, () => {
      const endpoints = read("apps/api/src/endpoints.ts")
      for (const file of sources.filter((file) => /^[A-Z]\w*(?:Api|Http)\.ts$/.test(file))) {
        assert.include(endpoints, `@hypermarket/${name}/${file.slice(0, -".ts".length)}"`)
      }
    })

    it(`${name} is a dependency and a reference of every app that composes it`, () => {
      for (const app of ["installation", "api", "cli"]) {
        assert.include(read(`apps/${app}/package.json`), `"@hypermarket/${name}": "workspace:`)
        assert.include(read(`apps/${app}/tsconfig.json`), `"../../packages/${name}"`)
      }
    })

    it(`${name} is in the table of the README and in the family that is versioned together`, () => {
      assert.include(read("README.md"), `[\`@hypermarket/${name}\`](packages/${name}/README.md)`)
      assert.include(read(".changeset/config.json"), `"@hypermarket/${name}"`)
    })

    it(`${name} has a part of the quickstart`, () => {
      assert.include(read("apps/cli/src/quickstart/parts.ts"), `"./parts/${name}.ts"`)
      assert.isTrue(existsSync(`${root}/apps/cli/src/quickstart/parts/${name}.ts`))
    })

    it(`${name} has the files that every domain has`, () => {
      for (const file of [
        `${capitalized(name)}Api.ts`,
        `${capitalized(name)}Http.ts`,
        `${capitalized(name)}Domain.ts`
      ]) {
        assert.include(sources, file)
      }
      for (const file of ["README.md", "examples/readme.ts", "src/migrations"]) {
        assert.isTrue(existsSync(`${root}/packages/${name}/${file}`), file)
      }
    })

    it(`${name} names its modules in index.ts, without what only a server loads`, () => {
      const index = read(`packages/${name}/src/index.ts`)
      for (const file of sources.filter((file) => file !== "index.ts")) {
        const isServed = /(?:Http|Protocol|Reference)\.ts$/.test(file)
        assert.strictEqual(index.includes(`"./${file}"`), !isServed, file)
      }
    })

    it(`${name} has a stranger try each of its protocol routes and token routes`, () => {
      const tests = readdirSync(`${root}/packages/${name}/test`)
        .filter((file) => file.endsWith(".test.ts"))
        .map((file) => read(`packages/${name}/test/${file}`))
      const walks = [
        ["ProtocolRoute.make(", "TenantIsolation.protocols("],
        ["TokenRoute.make(", "TenantIsolation.tokens("]
      ] as const
      for (const [constructor, walk] of walks) {
        const files = sources.filter((file) => read(`packages/${name}/src/${file}`).includes(constructor))
        for (const file of files) {
          const routes = `${file.slice(0, -".ts".length)}.routes`
          if (walk.includes("tokens") && endless.has(file)) continue
          assert.isTrue(
            tests.some((text) => text.includes(walk) && text.includes(routes)),
            `${file}: no test has ${walk}...) with ${routes}`
          )
        }
      }
    })

    it(`${name} lists every service for the Promise door, or marks it as internal`, () => {
      const classes = sources.flatMap((file) =>
        Array.from(
          read(`packages/${name}/src/${file}`).matchAll(/^export class (\w+) extends Context\.Service</gm),
          ([, service = ""]) => service
        )
      )
      const listed = Object.values(domain?.services ?? {}).flatMap((service) =>
        service._tag === "Service" ? [service.tag.key.split("/").at(-1) ?? ""] : []
      )
      const internal = domain?.internalServices.map((key) => key.split("/").at(-1) ?? "") ?? []
      assert.deepStrictEqual([...listed, ...internal].toSorted(), classes.toSorted())
    })
  }

  it("has one name for a thing: the groups of HTTP, and so the client, are the services of the door", () => {
    const groups = new Set(Object.keys(Api.groups))
    const services = new Set(domains.flatMap((domain) => Object.keys(domain.services)))
    assert.deepStrictEqual([...groups].filter((name) => !services.has(name)).toSorted(), overHttpOnly)
    assert.deepStrictEqual([...services].filter((name) => !groups.has(name)).toSorted(), inProcessOnly)
    assert.deepStrictEqual(new Set(named.map(([group]) => group)), groups)
  })

  it("has one name for a method: the operations of a group are methods of the service", () => {
    const methodsOf = new Map(
      domains
        .flatMap((domain) => Object.entries(domain.services))
        .map(([name, service]) => [name, service._tag === "Service" ? Object.keys(service.methods) : []])
    )
    const others = named.filter(
      ([group, operation]) => methodsOf.has(group) && methodsOf.get(group)?.includes(operation) !== true
    )
    assert.deepStrictEqual(others.map((name) => name.join(".")).toSorted(), otherOperations)
  })

  it("shares no name with another: groups, services, tables, jobs, subscriptions, settings", () => {
    const groupIds = ["core", ...names].flatMap((name) =>
      Array.from(sourcesOf(name).matchAll(/Endpoint\.\w*[gG]roup\(\s*"(\w+)"/g), ([, id = ""]) => id)
    )
    assert.deepStrictEqual(repeated(groupIds), [])
    assert.sameMembers(groupIds, Object.keys(Api.groups))
    for (const list of [
      domains.flatMap((domain) => domain.tables),
      domains.flatMap((domain) => Object.keys(domain.services)),
      domains.flatMap((domain) => [...domain.jobs, ...domain.subscriptions].map(({ name }) => name)),
      domains.flatMap((domain) => domain.settings.map(({ name }) => name))
    ]) {
      assert.deepStrictEqual(repeated(list), [])
    }
  })

  it("shares no name with another: queues, metrics, problems, scopes, errors of the API", () => {
    const matchesOf = (pattern: RegExp) =>
      ["core", ...names].flatMap((name) => {
        const texts = Array.from(sourcesOf(name).matchAll(pattern), ([, text = ""]) => text)
        return Array.from(new Set(texts), (text) => ({ name, text }))
      })
    const problems = matchesOf(/type: "urn:hypermarket:problem:([\w-]+:[\w-]+)"/g)
    const metrics = matchesOf(/Metric\.\w+\(\s*"(hm_\w+)"/g)
    assert.isAbove(problems.length, 50)
    assert.isAbove(metrics.length, 5)
    for (const list of [problems, metrics, matchesOf(/HttpApiError\.Problem<(\w+)>/g)]) {
      assert.deepStrictEqual(repeated(list.map(({ text }) => text)), [])
    }
    assert.deepStrictEqual(
      problems.filter(({ name, text }) => !/^(?:core|queue):/.test(text) && !text.startsWith(`${name}:`)),
      []
    )
    const queues = domains.flatMap(({ handlers, name }) => handlers.map(({ queue }) => ({ name, queue })))
    assert.deepStrictEqual(repeated(queues.map(({ queue }) => queue)), [])
    assert.deepStrictEqual(
      queues.filter(({ name, queue }) => !queue.startsWith(`${name}.`)),
      []
    )
    const owners = new Map<string, Set<string>>()
    for (const { path, scope } of scopes) {
      const [family = "", domain = ""] = [scope.split(":")[0], path.split("/")[2]]
      owners.set(family, (owners.get(family) ?? new Set()).add(domain))
    }
    // The operator's scope opens routes of several domains: it belongs to the installation.
    owners.delete("system")
    assert.deepStrictEqual(
      Array.from(owners).filter(([, domains]) => domains.size > 1),
      []
    )
  })

  it("makes its tables under the prefixes that it lists, and no other lists a longer one for them", () => {
    const prefixes = domains.flatMap(({ name, tables }) => tables.map((prefix) => ({ name, prefix })))
    const ownerOf = (table: string) =>
      prefixes
        .filter(({ prefix }) => table === prefix || table.startsWith(prefix))
        .toSorted((a, b) => b.prefix.length - a.prefix.length)[0]?.name
    const tables = ["core", ...names].flatMap((name) =>
      readdirSync(`${root}/packages/${name}/src/migrations`).flatMap((file) =>
        Array.from(
          read(`packages/${name}/src/migrations/${file}`).matchAll(/CREATE (?:UNLOGGED )?TABLE (hm_\w+)/g),
          ([, table = ""]) => ({ name, table })
        )
      )
    )
    assert.isAbove(tables.length, 50)
    assert.deepStrictEqual(
      tables.filter(({ name, table }) => ownerOf(table) !== name),
      []
    )
    assert.deepStrictEqual(repeated(tables.map(({ table }) => table)), [])
  })

  it("names the parts of its answers by its own words, not by a word that every domain has", () => {
    const schemas = Object.keys(OpenApi.fromApi(Api).components.schemas)
    assert.isAbove(schemas.length, 50)
    assert.deepStrictEqual(
      schemas.filter((name) =>
        /^(?:Rule|Policy|Template|Version|Attempt|Event|Item|Entry|Status)\d*$/.test(name)
      ),
      []
    )
  })

  it("makes its groups with core's Endpoint, so that no endpoint lacks the middleware", () => {
    for (const name of names) {
      assert.notInclude(sourcesOf(name), "HttpApiGroup.make")
    }
  })
})

describe("the audit log", () => {
  it("is annotated on every endpoint that writes: Audited with its action, or NotAudited with the reason", () => {
    assert.deepStrictEqual(Endpoint.auditFindings(Api), [])
  })
})

describe("the API reference", () => {
  it("has prose for every operation but those that are listed as pending", () => {
    const documented = new Set(references.flatMap(({ operations }) => operations.map(({ name }) => name)))
    assert.deepStrictEqual(
      operations.filter((name) => !documented.has(name)).toSorted(),
      pending.operations.toSorted()
    )
  })
})
