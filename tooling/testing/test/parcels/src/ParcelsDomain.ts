/**
 * Parcels as a domain.
 *
 * @since 0.1.0
 */
import * as Domain from "@hypermarket/core/Domain"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Page from "@hypermarket/core/Page"
import * as Service from "@hypermarket/core/Service"
import * as SubjectTables from "@hypermarket/core/SubjectTables"
import * as Schema from "effect/Schema"
import manifest from "../package.json" with { type: "json" }
import { ParcelsItemId, NewParcelsItem } from "./ParcelsItem.ts"
import { ParcelsItems } from "./ParcelsItems.ts"
import * as Settings from "./ParcelsSettings.ts"
import item from "./migrations/0001_parcels_item.ts"

/**
 * The services of this package.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = ParcelsItems.layer

/**
 * @category domains
 * @since 0.1.0
 */
export const domain = Domain.make({
  name: "parcels",
  tables: ["hm_parcels_"],
  migrations: Migrations.make("parcels", { "0001_parcels_item": item }, { release: manifest.version }),
  layer,
  services: {
    parcelsItems: Service.make(ParcelsItems, {
      create: [NewParcelsItem],
      get: [ParcelsItemId],
      list: [Page.Request],
      remove: [ParcelsItemId, Schema.Int]
    })
  },
  settings: Settings.settings,
  subjectData: SubjectTables.make({
    tables: [SubjectTables.nothing("hm_parcels_item", "names of things")]
  })
})
