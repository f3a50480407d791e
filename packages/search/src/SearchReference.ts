/**
 * The prose of search, indexes and versions in the API reference.
 *
 * @since 0.1.0
 */
import * as Reference from "@hypermarket/core/Reference"
import { SearchApi } from "./SearchApi.ts"
import examples from "./SearchApi.examples.json" with { type: "json" }

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  SearchApi,
  {
    search: {
      search: {
        summary: "Search an index",
        description:
          'Returns the documents that match `query`, best first, with the facets that you ask for. An empty query finds every document. `filter` is an expression such as `brand = "Canon" AND price >= 10000`.\n\nWords in quotes must all be in a document, in any order. `-word` leaves out the documents that have the word.\n\nA document needs one word of the query to be found, and those with more words come first; `missingWords` of a hit counts the words that it lacks. `foundBest` counts the documents with the most words, and facets count these. With `sort`, only the documents with the most words are found. Set `match` to `all`, `most` or `any` to choose one set of documents for hits, order and facets.\n\nA page has 20 hits by default and at most 200. `refinements` choose values of columns, whose facets keep the counts of the other values. `distinct` shows only the first documents with the same value in a column. `$id` in a filter is the id of a document.\n\nA query has at most 20,000 characters; `truncated` is true when words at its end were not used. Words that no document has are corrected to near words, unless `typos` is false. Set `prefix` while the last word is being typed.\n\nSend `queryId` with the clicks that follow. `snippet` returns the part of a field with the most found words. `versionId` searches a ready version that is not active; a 409 `version-state` means that it is not built or already retired. `productId` explains a document in `product`, whether it is found or not.\n\nA 400 `search-invalid` names the field that is not understood. A 503 `index-building` means that the index is being rebuilt: try again. Client keys may use this operation.'
      },
      searchAll: {
        summary: "Search several times in one index",
        description:
          "Answers up to 20 searches of one index, in their order, from one version and one snapshot: a document that changes meanwhile is the same in all of them. A refusal names the search in the path of its error, and then none is answered. All searches have the same `versionId`, or none. Client keys may use this operation."
      },
      queries: {
        summary: "List the commonest queries",
        description:
          "Returns the queries that were searched for most often, as the shop's events counted them, 50 by default and at most 200. `found` is the number of documents that a query finds now. With `withoutResults` true only those that find nothing are listed, of the 1,000 commonest."
      }
    },
    documents: {
      writeDocuments: {
        summary: "Write documents",
        description:
          "Inserts, replaces, changes and removes documents, all or nothing. The next search finds them. A request has at most 1,000 documents and 16 MiB, and a document at most 100,000 bytes. An item of `updates` replaces only the fields that it names, and `null` removes a field; a document that is not in the index is ignored.\n\nA value of a number column is a number, or a text such as `12.50`, which is read as one; an empty text is no value. Anything else is refused.\n\nWith a `version`, a write is ignored when the index has the same or a later version of the document, so requests may be repeated and arrive in any order. `ignored` counts these. A 422 `document-invalid` names the documents that cannot be indexed; nothing was written."
      },
      removeWhere: {
        summary: "Remove documents by a filter",
        description:
          "Removes the documents in `filter`, an expression as in a search, and returns their number. The filter reads the columns of the index's settings and `$id`. Each thousand documents are committed as they are read, and a large index may take up to 60 seconds: repeat the request after an error, it removes what is left. A write with a version that is not later does not bring a removed document back."
      },
      listDocuments: {
        summary: "List documents",
        description:
          "Returns all documents of an index as they were last written, in the order of their ids, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page. `version` is 0 for a document that was written without one."
      },
      getDocument: {
        summary: "Get a document",
        description:
          "Returns a document as it was last written. A document that was removed, or never written, is answered with 404 `document-not-found`."
      },
      compareDocuments: {
        summary: "Compare documents with the index",
        description:
          "Counts the documents of the catalogue and those of the active version, with a checksum of each. Equal checksums mean that searches see exactly the documents that were written. It reads every document and may take up to 60 seconds."
      }
    },
    behaviour: {
      record: {
        summary: "Record behavior",
        description:
          "Records views, clicks, cart additions, purchases and searches, at most 1,000 per request. They are counted in the background, and popularity follows.\n\nAn event is counted once by its `id` within 30 days, so repeat a request that failed. `limited` counts events beyond a user's limit per day. Send `queryId` and `position` with a click, so that the search can be measured. Client keys may use this operation, with events of the last 30 days. `at` is at most 24 hours ahead of the clock."
      },
      pending: {
        summary: "Count pending behavior",
        description:
          "Returns how many recorded events are not counted yet. A number that keeps growing means that no worker runs."
      },
      history: {
        summary: "Get a user's history",
        description:
          "Returns the products that the user viewed, most recent first, at most 100. `userKey` is the key that was sent with the events. An unknown user has an empty history."
      },
      erase: {
        summary: "Erase a user's history",
        description:
          "Deletes the history and the pending events of a user. This cannot be undone. Sums of popularity stay, because they name no user. Repeat the request after an error: it erases what is left."
      }
    },
    popularity: {
      getPopularity: {
        summary: "Get a product's popularity",
        description:
          "Returns the popularity of a product, as a weighted count of its events. Older events count less: the half-life is one day, one week and 30 days. A product without events has 0."
      }
    },
    rankingSignals: {
      putSignals: {
        summary: "Set ranking signals",
        description:
          "Sets values from 0 to 1 that raise products in the ranking, at most 1,000 per request. A value replaces the earlier one of the same signal and product. Signals count in an index whose settings name them, from its next version on."
      },
      listSignals: {
        summary: "List ranking signals",
        description:
          "Returns the values of one signal in the order of the products' ids, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page."
      }
    },
    indexes: {
      createIndex: {
        summary: "Create an index",
        description:
          "Creates an index with an empty active version, so it can be searched and written at once. Without `settings` it has those of a product catalogue. A tenant has at most 100 indexes: 409 `index-limit`. A name that is in use is answered with 409 `index-exists`."
      },
      listIndexes: {
        summary: "List indexes",
        description:
          "Returns the tenant's indexes in the order of their names, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page."
      },
      getIndex: {
        summary: "Get an index",
        description:
          "Returns the index, its settings and its active version. The `ETag` header holds the version of the settings, which a change needs in `If-Match`."
      },
      changeIndex: {
        summary: "Change an index",
        description:
          "Changes the settings in the body; absent fields keep their value. New settings take effect with the next version: start one. With `automatic`, enough changes of documents start a version by themselves. Send the version in `If-Match`."
      },
      removeIndex: {
        summary: "Remove an index",
        description:
          "Removes the index with its documents and versions, at the version in `If-Match`. This cannot be undone. A large index may take up to 60 seconds."
      }
    },
    curations: {
      getCuration: {
        summary: "Get the curation of an index",
        description:
          "Returns the rules and the synonyms that apply to every search of the index, beside the synonyms of its settings. The `ETag` header holds their version, which a change needs in `If-Match`; it is 0 when they were never set."
      },
      setCuration: {
        summary: "Set the curation of an index",
        description:
          "Replaces the rules and the synonyms of the index. They take effect with the next search, without a new version. Send the version in `If-Match`.\n\nA rule applies to the queries in `when`, or to every search. It pins documents to positions, hides documents, multiplies the scores of the documents in a filter, or names an address to go to in `redirect`. A pinned document is shown only when it is in the filter of the search, and a sorted search has no pins. `rules` of a search result names the rules that applied; send `curated` false to search without them. An index has at most 500 rules and 2,000 synonyms here.\n\n`clientFilter` is a filter that every search with a client key has beside its own: what it leaves out does not exist for such a key. A filter that is not understood is answered with 400 `search-invalid`."
      }
    },
    indexVersions: {
      rollBack: {
        summary: "Roll back an index",
        description:
          "Activates the previous version again, in one step. Documents that were written meanwhile are found as before. Without a previous version the answer is 409 `nothing-to-roll-back`."
      },
      startVersion: {
        summary: "Start a version",
        description:
          "Starts to build a version with the current settings and returns at once. A worker builds it beside the active version, and searches go on. Get the version until its status is `ready` or `failed`, then activate it; with `activates`, it is activated as soon as its gates pass.\n\nAn index has at most 5 versions: 409 `version-limit`. Retire one first."
      },
      listVersions: {
        summary: "List versions",
        description:
          "Returns the versions of an index, newest first, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page."
      },
      getVersion: {
        summary: "Get a version",
        description:
          "Returns the status of a version and the results of its gates. A gate compares the version with the catalogue or with the active version. `failure` is the reason of a failed build. A gate of the effect `stops` fails the version; one that `warns` holds it back until it is activated by hand."
      },
      validateVersion: {
        summary: "Validate a version",
        description:
          "Runs the gates of a built version again, and returns their results. It reads every row of the version and may take up to 60 seconds. A version that is not built yet is answered with 409 `version-state`."
      },
      activateVersion: {
        summary: "Activate a version",
        description:
          'Makes a ready version the one that answers searches, in one step. The version that answered before can be restored by a rollback. Another status is answered with 409 `version-state`.\n\nA version that did not pass a gate of the effect `warns` is answered with 409 `version-held`. To activate it nevertheless, name the gate: `{"despite": ["zero-results"]}`. The audit log records it.'
      },
      retireVersion: {
        summary: "Retire a version",
        description:
          "Removes a version that is not active. Its rows are deleted after a minute, because searches that began with it may still run. The active version is answered with 409 `version-state`."
      }
    }
  },
  {
    examples,
    problems: {
      "urn:hypermarket:problem:search:document-invalid": {
        cause: "A document cannot be indexed. Nothing was written.",
        remedy: "Correct the documents in `errors`."
      },
      "urn:hypermarket:problem:search:document-not-found": {
        cause: "The index has no document with this id, or it was removed.",
        remedy: "Correct the id in the path, or write the document."
      },
      "urn:hypermarket:problem:search:index-building": {
        cause:
          "The index is being rebuilt after a restore or an upgrade, or its active version is too far behind. `reason` has it.",
        remedy: "Try again after some seconds. Check that a worker runs."
      },
      "urn:hypermarket:problem:search:index-exists": {
        cause: "Another index of the tenant has this name.",
        remedy: "Choose another `indexName`."
      },
      "urn:hypermarket:problem:search:index-limit": {
        cause: "The tenant has as many indexes as it may have.",
        remedy: "Remove an index that is not used."
      },
      "urn:hypermarket:problem:search:index-not-found": {
        cause: "The tenant has no index with this name.",
        remedy: "Create the index, or correct the name in the path."
      },
      "urn:hypermarket:problem:search:nothing-to-roll-back": {
        cause: "The index has no earlier version that is still there.",
        remedy: "Start a version with the settings that you want, and activate it."
      },
      "urn:hypermarket:problem:search:search-invalid": {
        cause: "A part of the search is not understood.",
        remedy: "Correct the field in `errors`."
      },
      "urn:hypermarket:problem:search:signals-invalid": {
        cause:
          "A time is more than 24 hours ahead of the clock, or, with a client key, older than 30 days. Nothing was recorded.",
        remedy: "Correct the times in `errors`."
      },
      "urn:hypermarket:problem:search:version-held": {
        cause: "The version did not pass gates that warn. `gates` names them.",
        remedy: "Read the results of the gates, then name them in `despite`, or retire the version."
      },
      "urn:hypermarket:problem:search:version-limit": {
        cause: "The index has as many versions as it may have.",
        remedy: "Retire a version that is not active."
      },
      "urn:hypermarket:problem:search:version-not-found": {
        cause: "The index has no version with this id.",
        remedy: "List the versions to find the id."
      },
      "urn:hypermarket:problem:search:version-state": {
        cause: "The status of the version does not allow the operation. `currentStatus` has it.",
        remedy: "Wait until the version is ready, or choose another version."
      }
    }
  }
)
