import { useNavigate } from "@tanstack/react-router"
import { useState } from "react"
import { Page } from "../../ui/Page.tsx"
import { Segments } from "../../ui/Segments.tsx"
import { Empty } from "../../ui/States.tsx"

const kinds = [
  { value: "order", label: "Order" },
  { value: "customer", label: "Customer" },
  { value: "product", label: "Product" },
  { value: "seller", label: "Seller" }
] as const

/** Asks for the thing whose history is wanted. */
export default function FindSubject() {
  const navigate = useNavigate()
  const [kind, setKind] = useState<(typeof kinds)[number]["value"]>("order")
  const [id, setId] = useState("")
  return (
    <Page
      name="Orders & customers"
      lead="What happened to one order, customer, product or seller, told by every domain"
    >
      <form
        className="card mb-4 flex flex-wrap items-center gap-3 p-3"
        onSubmit={(event) => {
          event.preventDefault()
          if (id.trim() !== "") void navigate({ to: `/timeline/${kind}/${encodeURIComponent(id.trim())}` })
        }}
      >
        <Segments label="Kind" value={kind} options={kinds} onChange={setKind} />
        <input
          type="search"
          aria-label="Id"
          placeholder="The id that the shop gave it"
          className="field h-9 min-w-60 flex-1 font-mono"
          value={id}
          onChange={(event) => setId(event.target.value)}
        />
        <button type="submit" className="btn btn-primary" disabled={id.trim() === ""}>
          Show what happened
        </button>
      </form>
      <Empty title="Which one?">
        Enter the id that the shop uses. “Find anything” takes the beginning of an id as well.
      </Empty>
    </Page>
  )
}
