/** Who has the bucket: `.in-use` as stock writes it, and our own `.cairn-holder` with a generation (races.md ). */

/** The bucket as a session found it at its start. */
export interface HolderWatch {
  /** Who had the bucket since then, in words; null: nobody but us. Throws the errors of ObjectStore. */
  end(signal?: AbortSignal): Promise<string | null>
}

/** What is known of our hold on the bucket. */
export interface BucketHolder {
  /** Why we do not hold it as far as we know; null while we do. Changed by `check` and `raise`. */
  readonly doubt: string | null
  /**
   * Compares bucket and ledger; to be called at open, before a session and before a collection. Any inequality drops
   * the ledger's entries and is the `doubt` from then on. Resolves to it. Throws the errors of ObjectStore.
   */
  check(signal?: AbortSignal): Promise<string | null>
  /**
   * As `check`, for the start of something that may only end well if nobody else had the bucket meanwhile. Throws
   * BUCKET_COLLECTED, too, while somebody else who has it collects garbage: he knows nothing of us.
   */
  watch(signal?: AbortSignal): Promise<HolderWatch>
  /**
   * Raises the generation: before a run lists its roots ('collecting') and at its end ('idle'), and before anything is
   * removed that only our own notes say to be garbage. Throws BUCKET_STALE (then nothing may be deleted), the errors of
   * ObjectStore.
   */
  raise(signal?: AbortSignal, what?: 'idle' | 'collecting'): Promise<void>
}
