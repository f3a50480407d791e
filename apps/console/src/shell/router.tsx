/** The router of one tenant's pages, made of what the domains register. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router"
import { tenantPath } from "../api/base.ts"
import type { Access } from "./Access.tsx"
import type { ConsolePage } from "../Console.ts"
import { installed } from "../registry.ts"
import { parseSearch, stringifySearch } from "../ui/address.ts"
import { Page } from "../ui/Page.tsx"
import { Empty, Failure, Forbidden } from "../ui/States.tsx"
import { holds } from "../api/session.ts"
import { Shell } from "./Shell.tsx"
import { loading } from "./reload.ts"

function NotFound() {
  return (
    <Page name="Not found">
      <Empty title="There is no such page">The address may be of a domain that is not installed here.</Empty>
    </Page>
  )
}

const forbidden = (scope: string, name: string) => () => (
  <Page name={name}>
    <Forbidden scope={scope} />
  </Page>
)

const componentOf = ({ label, load, path, requires }: ConsolePage, { tenant }: Access) =>
  requires === undefined || holds(tenant.scopes, requires)
    ? lazyRouteComponent(loading(load))
    : forbidden(requires, label ?? path)

export const makeRouter = (access: Access) => {
  const root = createRootRoute({
    component: Shell,
    notFoundComponent: NotFound,
    errorComponent: ({ error, reset }) => (
      <div className="p-7">
        <Failure error={error} retry={reset} />
      </div>
    )
  })
  const routes = installed(access.session)
    .flatMap((registered) => registered.pages)
    .map((page) =>
      createRoute({ getParentRoute: () => root, path: page.path, component: componentOf(page, access) })
    )
  return createRouter({
    routeTree: root.addChildren(routes),
    basepath: tenantPath(access.tenant.tenantId),
    defaultPreload: "intent",
    scrollRestoration: true,
    parseSearch,
    stringifySearch
  })
}
