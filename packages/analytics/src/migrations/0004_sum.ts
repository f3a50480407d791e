import { migration } from "@hypermarket/core/Migrations"

export default migration([
  // What Postgres's own sum makes of bigints is a numeric, for each measure of each cell: most of what folding costs. This one
  // adds with bigint's own +, which refuses what does not fit, and is 0 where there is nothing. No code stands in it.
  `
  CREATE AGGREGATE hm_sum (bigint) (
    SFUNC = int8pl, STYPE = bigint, INITCOND = '0', COMBINEFUNC = int8pl, PARALLEL = SAFE)
  `
])
