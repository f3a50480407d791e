import type * as Database from "@hypermarket/core/Database"
import { PrismaPg } from "@prisma/adapter-pg"
import { Effect } from "effect"
import { suite } from "../test/suites/driverSuite.ts"
import { type Prisma, PrismaClient } from "./generated/client.ts"

const queryOf =
  (on: Prisma.TransactionClient): Database.Query =>
  (text, values) =>
    on.$queryRawUnsafe<ReadonlyArray<unknown>>(text, ...values)

suite("Prisma on pg", (url) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) })),
      (prisma) => Effect.promise(() => prisma.$disconnect())
    ),
    (prisma) => ({
      forgivesBySavepoint: true,
      // Prisma tells the columns of a violated constraint, and not its name.
      namesConstraints: false,
      transaction: (body) => prisma.$transaction((tx) => body(queryOf(tx))),
      outside: queryOf(prisma)
    })
  )
)
