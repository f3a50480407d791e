import { type ComponentProps, lazy, Suspense } from "react"

const load = () => import("./Chart.tsx")
const Chart = lazy(load)

/** A chart whose code is loaded when the first one is shown; its place is kept free. */
export function LazyChart(props: ComponentProps<typeof Chart>) {
  return (
    <Suspense fallback={<div style={{ height: props.height ?? 220 }} />}>
      <Chart {...props} />
    </Suspense>
  )
}
