import { useQuery } from "@tanstack/react-query"
import { LogOut } from "lucide-react"
import { call } from "../api/call.ts"
import { tenantPath } from "../api/base.ts"
import type { Session } from "../api/session.ts"
import { useLeaving } from "../shell/leaving.ts"
import { Mark } from "../shell/Mark.tsx"
import { Facts } from "../ui/Facts.tsx"
import { Loaded } from "../ui/Loaded.tsx"
import { Page, Section } from "../ui/Page.tsx"
import { Time } from "../ui/Time.tsx"
import { Checks } from "./Checks.tsx"
import { Figures } from "./Figures.tsx"
import { Settings } from "./Settings.tsx"
import { Tenants } from "./Tenants.tsx"

function Head({ session }: { readonly session: Session }) {
  const leaving = useLeaving()
  return (
    <header className="border-line bg-sunken flex flex-wrap items-center gap-x-4 gap-y-2 border-b px-7 py-2.5">
      <Mark className="size-7 shrink-0" />
      <p className="text-sm font-semibold">Installation</p>
      <nav aria-label="Tenants of this session" className="flex flex-wrap gap-x-3 text-sm">
        {session.tenants.map(({ tenantId }) => (
          <a key={tenantId} className="link" href={`${tenantPath(tenantId)}/`}>
            {tenantId}
          </a>
        ))}
      </nav>
      <button type="button" className="btn ml-auto" onClick={() => leaving.mutate()}>
        <LogOut size={14} aria-hidden />
        Sign out
      </button>
    </header>
  )
}

function Releases() {
  const installation = useQuery({
    queryKey: ["system", "installation"],
    queryFn: ({ signal }) => call("GET /v1/system/installation", { signal })
  })
  return (
    <Section title="Releases">
      <Loaded query={installation}>
        {({ domains, installedRelease, nodeRelease, postgresRelease, startedAt }) => (
          <div className="card p-4">
            <Facts
              facts={[
                ["Hypermarket", installedRelease],
                ["Node", nodeRelease],
                ["Postgres", postgresRelease],
                ["Started", <Time key="at" at={startedAt} />],
                ...domains.map(
                  ({ domain, migrations, newestMigration }) =>
                    [
                      domain,
                      newestMigration === null ? "no tables" : `${newestMigration} of ${migrations}`
                    ] as const
                )
              ]}
            />
          </div>
        )}
      </Loaded>
    </Section>
  )
}

/** The installation as its operator sees it. No row of a tenant is on it. */
export default function System({ session }: { readonly session: Session }) {
  return (
    <>
      <Head session={session} />
      <main id="content" tabIndex={-1} className="outline-none">
        <Page
          name="System"
          lead="Checks, settings and figures of the process that answers. The worker has its own."
        >
          <Checks />
          <Tenants />
          <Releases />
          <Figures />
          <Settings />
        </Page>
      </main>
    </>
  )
}
