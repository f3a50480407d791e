/** Reads every page of a listing: an operator's listing is for reading and piping, however long. */
import * as Page from "@hypermarket/core/Page"
import * as Effect from "effect/Effect"

export const collect = Effect.fnUntraced(function* <A, E, R>(
  list: (request: Page.Request) => Effect.Effect<Page.Page<A>, E | Page.CursorInvalid, R>
): Effect.fn.Return<ReadonlyArray<A>, Exclude<E, Page.CursorInvalid>, R> {
  const all: Array<A> = []
  let request: Page.Request = { limit: Page.limitMax }
  for (;;) {
    const page = yield* list(request).pipe(
      // The cursor is the one that the listing gave.
      Effect.catchIf((error) => error instanceof Page.CursorInvalid, Effect.die)
    ) as Effect.Effect<Page.Page<A>, Exclude<E, Page.CursorInvalid>, R>
    all.push(...page.items)
    if (page.nextCursor === null) return all
    request = { ...request, cursor: page.nextCursor }
  }
})
