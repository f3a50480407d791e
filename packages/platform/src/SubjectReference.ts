/**
 * The prose of requests for the data of a person in the API reference.
 *
 * @since 0.1.0
 */
import * as Reference from "@hypermarket/core/Reference"
import { SubjectApi } from "./SubjectApi.ts"
import examples from "./SubjectApi.examples.json" with { type: "json" }

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  SubjectApi,
  {
    subjects: {
      create: {
        summary: "Export or erase a person",
        description:
          "Records the request and returns 202. A worker begins within 15 seconds. `identifiers` are further names of the person; the domains add those that they hold, such as the e-mail address of a profile.\n\nAn erasure looks through all tables until it finds nothing. Stop sending facts of the person first. Amounts and counts stay, without the person. Jobs that still wait get an empty payload, and their handler rejects them."
      },
      list: {
        summary: "List requests",
        description:
          "Returns exports and erasures, the newest first, 50 per page by default and at most 200. Send `nextCursor` as `cursor` for the next page; it is null on the last one. They do not name the persons: keep the `requestId`."
      },
      get: {
        summary: "Get a request or its receipt",
        description:
          "Returns the request. When `state` is `done`, `rows` and `domains` count what was exported or erased, `kept` names the rows that remain without the person and the reason, and `parts` is the number of parts of an export."
      },
      part: {
        summary: "Read a part of an export",
        description:
          "Returns lines of JSON, each with `domain`, `table` and `row`. Parts are numbered from 1 and can be read for seven days after the export, or until the person is erased. The read is recorded as `subject.export-read`."
      }
    }
  },
  {
    examples,
    problems: {
      "urn:hypermarket:problem:platform:subject-request-not-found": {
        cause: "The tenant has no request with this id.",
        remedy: "List the requests to find the id."
      },
      "urn:hypermarket:problem:platform:subject-part-not-found": {
        cause: "The export is not done, has fewer parts, was done seven days ago, or its person was erased.",
        remedy: "Wait until `state` is `done`, and ask for the parts 1 to `parts` within seven days."
      }
    }
  }
)
