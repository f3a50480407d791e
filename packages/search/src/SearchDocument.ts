/**
 * A document of an index: schemas and errors. The service is `SearchDocuments`.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import type * as Commerce from "@hypermarket/core/Commerce"
import { AdopterId } from "@hypermarket/core/Identifier"
import * as Json from "@hypermarket/core/Json"
import * as Text from "@hypermarket/core/Text"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import * as Filter from "./internal/engine/Filter.ts"
import type { Fields } from "./internal/indexed.ts"

/**
 * The largest document, in bytes of the JSON of its fields.
 *
 * @category limits
 * @since 0.1.0
 */
export const documentBytesMax = 100_000

/**
 * Maximum documents of a batch: one statement, which locks each of its rows.
 *
 * @category limits
 * @since 0.1.0
 */
export const batchMax = 1_000

/**
 * A document: its id and any JSON. A document whose `version` is not above the stored one is ignored, so replays and
 * reordered writes are harmless. Without a `version` the last write wins.
 *
 * @category models
 * @since 0.1.0
 */
export const SearchDocument = Schema.Struct({
  id: AdopterId,
  version: Schema.optionalKey(BoundedInt.PositiveSafeInt),
  fields: Json.record({})
})

/**
 * @category models
 * @since 0.1.0
 */
export type SearchDocument = typeof SearchDocument.Type

/**
 * A document as it was last written. Its `version` is 0 when it was written without one.
 *
 * @category models
 * @since 0.1.0
 */
export const StoredDocument = Schema.Struct({
  id: AdopterId,
  version: Schema.Int,
  fields: Schema.Record(Schema.String, Schema.Json),
  updatedAt: Schema.DateTimeUtcFromString
})

/**
 * @category models
 * @since 0.1.0
 */
export type StoredDocument = typeof StoredDocument.Type

/**
 * A change of some fields of a document, by their names; null removes a field. The `version` is that of a write. A
 * document that is not in the index is ignored.
 *
 * @category models
 * @since 0.1.0
 */
export const DocumentUpdate = Schema.Struct({ ...SearchDocument.fields })

/**
 * @category models
 * @since 0.1.0
 */
export type DocumentUpdate = typeof DocumentUpdate.Type

/**
 * The removal of a document, subject to its `version` as a write is.
 *
 * @category models
 * @since 0.1.0
 */
export const DocumentRemoval = Schema.Struct({ id: AdopterId, version: SearchDocument.fields.version })

/**
 * @category models
 * @since 0.1.0
 */
export type DocumentRemoval = typeof DocumentRemoval.Type

/**
 * Documents to write, to change in part and to remove. Of an id in several lists the upsert counts, or else the update.
 *
 * @category models
 * @since 0.1.0
 */
export const DocumentBatch = Schema.Struct({
  upserts: Schema.optionalKey(Schema.Array(SearchDocument).check(Schema.isMaxLength(batchMax))),
  updates: Schema.optionalKey(Schema.Array(DocumentUpdate).check(Schema.isMaxLength(batchMax))),
  removals: Schema.optionalKey(Schema.Array(DocumentRemoval).check(Schema.isMaxLength(batchMax)))
})

/**
 * @category models
 * @since 0.1.0
 */
export type DocumentBatch = typeof DocumentBatch.Type

/**
 * The filter of the documents to remove.
 *
 * @category models
 * @since 0.1.0
 */
export const RemovalFilter = Text.make({ min: 1, max: Filter.filterCharsMax })

/**
 * The number of documents that were removed.
 *
 * @category models
 * @since 0.1.0
 */
export const Removed = Schema.Struct({ removed: Schema.Int })

/**
 * @category models
 * @since 0.1.0
 */
export type Removed = typeof Removed.Type

/**
 * A document cannot be indexed. Nothing of the batch was written.
 *
 * @category errors
 * @since 0.1.0
 */
export class DocumentInvalid extends HttpApiError.Problem<DocumentInvalid>()(
  "DocumentInvalid",
  {
    type: "urn:hypermarket:problem:search:document-invalid",
    status: 422,
    title: "A document cannot be indexed"
  },
  { errors: Schema.Array(HttpApiError.ProblemIssue) }
) {}

/**
 * The index has no document with this id, or it was removed.
 *
 * @category errors
 * @since 0.1.0
 */
export class DocumentNotFound extends HttpApiError.Problem<DocumentNotFound>()(
  "DocumentNotFound",
  { type: "urn:hypermarket:problem:search:document-not-found", status: 404, title: "No such document" },
  { id: Schema.String }
) {}

/**
 * The outcome of a batch. `ignored` documents had no newer version, or the same content, or were to be changed in part and
 * are not in the index.
 *
 * @category models
 * @since 0.1.0
 */
export const Written = Schema.Struct({ written: Schema.Int, ignored: Schema.Int })

/**
 * @category models
 * @since 0.1.0
 */
export type Written = typeof Written.Type

/**
 * The catalogue beside a version with its changes, counted in one snapshot. The two are equal unless the index is damaged.
 *
 * @category models
 * @since 0.1.0
 */
export const Comparison = Schema.Struct({
  documents: Schema.Int,
  checksum: Schema.String,
  indexedDocuments: Schema.Int,
  indexedChecksum: Schema.String,
  /** Changes since the version was built. */
  changes: Schema.Int
})

/**
 * @category models
 * @since 0.1.0
 */
export type Comparison = typeof Comparison.Type

/**
 * Returns the fields of a product of the shop, or undefined for a product that is hidden or deleted.
 *
 * @category conversions
 * @since 0.1.0
 */
export const ofProduct = (product: Commerce.ProductChanged): Fields | undefined => {
  if (product.status !== "active") return undefined
  const optional = {
    description: product.description,
    brand: product.brand,
    stock: product.stock,
    gtin: product.gtin,
    images: product.images,
    locale: product.locale,
    // Amounts of a catalogue are far below 2^53 minor units, and a column is a double.
    listPrice: product.listPrice === undefined ? undefined : Number(product.listPrice.amount)
  }
  const fields: Record<string, Schema.Json> = {
    title: product.title,
    categories: product.categories,
    sellerId: product.sellerId,
    price: Number(product.price.amount),
    currency: product.price.currency,
    attributes: product.attributes ?? {}
  }
  for (const [name, value] of Object.entries(optional)) if (value !== undefined) fields[name] = value
  return fields
}

/**
 * True for fields that no document may have: a fact may be larger than a document.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTooLarge = (fields: Fields): boolean => Json.bytesOf(JSON.stringify(fields)) > documentBytesMax
