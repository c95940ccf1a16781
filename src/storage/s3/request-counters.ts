/** What was asked of a bucket, counted as stock counts (datastore-semantics.md 19.2): the door that a file of counters implements. */

/** Requests by method, and bytes of bodies both ways; the slots of stock's counter file. */
export type CounterName = 'get' | 'delete' | 'put' | 'head' | 'post' | 'upload' | 'download'

/** An implementation is synchronous, takes microseconds and never throws: it is called for each attempt. */
export interface RequestCounters {
  /** `amount` more requests, or bytes for 'upload' and 'download'. */
  add(name: CounterName, amount: number): void
}

/** Counters that keep nothing. */
export const noCounters: RequestCounters = { add() {} }
