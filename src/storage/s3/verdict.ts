/** What a store was seen to do: the result of the probe, a plain JSON value that is kept and shown. */

export interface ProbeVerdict {
  /** Wall time of the machine, milliseconds since the epoch. */
  readonly probedMs: number
  /** False: data could be lost or nothing works; `problems` say why. */
  readonly isUsable: boolean
  /** What makes the store unusable, a sentence each. */
  readonly problems: readonly string[]
  /** What is missing or unusual, with what is done instead, a sentence each. */
  readonly remarks: readonly string[]
  /** `If-None-Match: *` on PUT, two at once included: at most one is written. */
  readonly honoursIfNoneMatch: boolean
  /** `If-Match` on PUT: the form of the ETag that works; null if the condition is not honoured in either. */
  readonly ifMatch: 'quoted' | 'unquoted' | null
  /** 'single': one DELETE for each key. */
  readonly deletes: 'batch' | 'single'
  /** Lists come in pages of 1,000, in the order of keys, and show what was just written. */
  readonly listsInPages: boolean
  readonly honoursRange: boolean
  /** A body that does not match its checksum is refused. */
  readonly checksContent: boolean
  /** The store's clock minus ours. */
  readonly clockOffsetMs: number
  /** Of the bucket; 'unknown': the store does not tell (not implemented, no right to ask). */
  readonly versioning: 'off' | 'on' | 'suspended' | 'unknown'
  readonly objectLock: 'off' | 'on' | 'unknown'
  /** Whether a rule of the bucket removes or moves objects of ours. */
  readonly expiry: 'none' | 'ours' | 'unknown'
}
