import { Page } from "../../ui/Page.tsx"
import { Features } from "./Features.tsx"
import { RatePolicies } from "./RatePolicies.tsx"

/** How much the tenant may use, and how fast its callers may ask. */
export default function Limits() {
  return (
    <Page name="Limits" lead="What is granted and used, and how fast callers may ask">
      <Features />
      <RatePolicies />
    </Page>
  )
}
