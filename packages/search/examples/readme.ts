import { connect } from "@hypermarket/core/Promises"
import * as SearchDomain from "@hypermarket/search/SearchDomain"

const hm = await connect({ domains: [SearchDomain] })
await hm.migrate()
await hm.tenant("acme").indexes.ensure("products")

await hm.transaction("acme", async (tx) => {
  const lamp = { title: "Brass desk lamp", price: 4_900 }
  await tx.documents.write("products", { upserts: [{ id: "lamp-1", version: 1, fields: lamp }] })
  // Here go the shop's own statements: all of it commits, or none. This search sees it already, others do not.
  const { hits } = await tx.search.search("products", { query: "lamps", filter: "price < 5000" })
  console.log(hits.map(({ fields }) => fields["title"]))
})
await hm.close()
