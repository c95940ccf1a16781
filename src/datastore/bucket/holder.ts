/** Who has the bucket: `.in-use` as stock writes it, and our own `.cairn-holder` with a generation (races.md ). */

/** The bucket as a session found it at its start. */
export interface HolderWatch {
  /** Whether requests that are not known here may still delete what the session writes (see `Ledger.doubtAll`). */
  readonly isDoubtful: boolean
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
  check(signal?: AbortSignal, options?: LookOptions): Promise<string | null>
  /**
   * As `check`, for the start of something that may only end well if nobody else had the bucket meanwhile. Throws
   * BUCKET_COLLECTED, too, while somebody else who has it collects garbage: he knows nothing of us.
   */
  watch(signal?: AbortSignal, options?: LookOptions): Promise<HolderWatch>
  /**
   * Raises the generation before anything is removed that only our own notes say to be garbage. Throws BUCKET_STALE (then
   * nothing may be deleted), the errors of ObjectStore.
   */
  raise(signal?: AbortSignal): Promise<void>
  /**
   * To be awaited before chunks are deleted, and before a collection lists its roots: raises the generation and says in
   * the bucket that chunks are deleted, until the result is disposed. So an image of this machine that was taken in
   * between is told from the machine itself, and chunks are never deleted under a generation that a ledger may have
   * without knowing of it (races.md R-60). The caller sees to it that no other process of ours deletes at the same time.
   * Throws as `raise`; an end that cannot be written is made good at the next look.
   */
  beginDeletes(signal?: AbortSignal): Promise<AsyncDisposable>
}

export interface LookOptions {
  /**
   * The caller holds the process lock: no other process deletes chunks. What the bucket says of deletes that nobody of
   * ours makes was left by one that died, or by the one whose image we are: everything is in doubt then, unless he died
   * in this run of the machine, whose ledger is whole. Default false.
   */
  readonly isAlone?: boolean
}
