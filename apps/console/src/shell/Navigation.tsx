import { useIsFetching } from "@tanstack/react-query"
import { Link, useRouterState } from "@tanstack/react-router"
import { Search } from "lucide-react"
import { holds } from "../api/session.ts"
import { installed } from "../registry.ts"
import { clock, cx } from "../ui/Format.ts"
import { useLive } from "../ui/polling.ts"
import { useAccess } from "./Access.tsx"
import { Account } from "./Account.tsx"

/** How the pages stay current. Without the stream they ask every ten seconds. */
function Freshness({ isBusy }: { readonly isBusy: boolean }) {
  const { sinceMillis, state } = useLive()
  if (state === "live") return <span className="text-good">Live</span>
  if (state === "connecting") return isBusy ? "Asking the API" : "Connecting"
  return (
    <span className="text-warn">
      Not live since {clock(new Date(sinceMillis).toISOString())}: asks every 10 s
    </span>
  )
}

/** The sidebar: tenant, search, and the pages of the domains that are installed. */
export function Navigation({ onAdd, onFind }: { readonly onFind: () => void; readonly onAdd: () => void }) {
  const { session, tenant } = useAccess()
  const path = useRouterState({ select: ({ location: { pathname } }) => pathname })
  const isBusy = useIsFetching() > 0
  const groups = installed(session).flatMap(({ group, pages }) => {
    const shown = pages.filter(({ label }) => label !== undefined)
    return shown.length === 0 ? [] : [{ group, pages: shown }]
  })
  // The longest that the address begins with: closes are below sales.
  const current = groups
    .flatMap(({ pages }) => pages.map(({ path: to }) => to))
    .filter((to) => path === to || (to !== "/" && path.startsWith(`${to}/`)))
    .toSorted((a, b) => b.length - a.length)[0]
  return (
    <aside className="border-line bg-sunken flex flex-col border-r px-3 py-3 lg:sticky lg:top-0 lg:h-screen lg:overflow-y-auto">
      <Account onAdd={onAdd} />
      <button
        type="button"
        className="field text-soft mt-2.5 flex w-full shrink-0 items-center gap-2"
        onClick={onFind}
      >
        <Search size={14} aria-hidden />
        Find anything
        <kbd className="border-line-strong bg-sunken text-soft ml-auto rounded-sm border px-1 font-sans text-2xs">
          ⌘K
        </kbd>
      </button>
      <nav aria-label="Pages" className="mt-3">
        {groups.map(({ group, pages }, index) => (
          <div key={pages[0]?.path ?? index}>
            {group === "" || groups[index - 1]?.group === group ? null : (
              <p className="text-soft mt-4 mb-1 px-2 text-2xs font-medium">{group}</p>
            )}
            <ul className="flex flex-col gap-px">
              {pages.map(({ icon: Icon, label, path: to, requires }) => {
                const may = requires === undefined || holds(tenant.scopes, requires)
                return (
                  <li key={to}>
                    <Link
                      to={to}
                      aria-current={current === to ? "page" : undefined}
                      title={may ? undefined : `The session's key lacks the scope ${requires}`}
                      className={cx(
                        "flex h-8 items-center gap-2.5 rounded-md px-2 text-sm font-medium",
                        current === to ? "bg-hover text-ink" : "text-soft hover:bg-hover hover:text-ink",
                        !may && "italic"
                      )}
                    >
                      {Icon === undefined ? null : <Icon size={15} strokeWidth={1.9} aria-hidden />}
                      {label}
                    </Link>
                  </li>
                )
              })}
            </ul>
          </div>
        ))}
      </nav>
      <p className="text-soft mt-auto flex items-center gap-2 px-2 pt-4 text-2xs" aria-live="off">
        <Freshness isBusy={isBusy} />
        <span className="ml-auto">{session.version}</span>
      </p>
    </aside>
  )
}
