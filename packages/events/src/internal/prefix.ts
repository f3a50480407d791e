/** Of the tables of this package's queue. */
export const prefix = "hm_event"
