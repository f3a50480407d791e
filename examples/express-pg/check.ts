import { shopCheck } from "../shopCheck.ts"

await shopCheck()
