/** Annotations of endpoints that read every row of a version or of the catalogue. */
import { MayRunLong, RequestDeadline } from "@hypermarket/core/Authorization"
import * as Context from "effect/Context"

export const readsAll = Context.make(RequestDeadline, "60 seconds").pipe(Context.add(MayRunLong, true))
