/**
 * One suite for every driver.
 */
import { clientSuite } from "./clientSuite.ts"
import type { Connect } from "./driven.ts"
import { serviceSuite } from "./serviceSuite.ts"

export const suite = (name: string, connect: Connect): void => {
  serviceSuite(name, connect)
  clientSuite(name, connect)
}
