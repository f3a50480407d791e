/** Names of the tables of a queue, by its prefix. */

export interface Tables {
  readonly sequence: string
  readonly ready: string
  readonly lease: string
  readonly delayed: string
  readonly key: string
  readonly keyed: string
  readonly body: string
  readonly dead: string
  readonly history: string
  readonly dedupe: string
  readonly definition: string
}

const prefixPattern = /^hm_[a-z]+$/

export const tablesOf = (prefix: string): Tables => {
  if (!prefixPattern.test(prefix)) throw new TypeError(`a work queue's prefix is hm_<name>, not ${prefix}`)
  return {
    sequence: `${prefix}_seq`,
    ready: `${prefix}_queue`,
    lease: `${prefix}_lease`,
    delayed: `${prefix}_delayed`,
    key: `${prefix}_key`,
    keyed: `${prefix}_keyed`,
    body: `${prefix}_body`,
    dead: `${prefix}_dead`,
    history: `${prefix}_history`,
    dedupe: `${prefix}_job_dedupe`,
    definition: `${prefix}_definition`
  }
}
