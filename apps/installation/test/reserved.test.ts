import { assert, it } from "@effect/vitest"
import * as Reserved from "@hypermarket/core/Reserved"
import { domains } from "@hypermarket/installation/domains"

it("reserves the queues of every domain that is installed", () => {
  for (const { name } of domains) {
    assert.isTrue(Reserved.isQueueReserved(`${name}.anything`), name)
  }
})
