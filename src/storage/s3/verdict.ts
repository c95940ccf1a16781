/** What a store was seen to do: the result of the probe, a plain JSON value that is kept and shown. */
import type { ProviderQuirk } from './s3-parts.ts'

/** What was seen; `judge` makes sentences of it. */
export interface Observations {
  /** `If-None-Match: *` on PUT, many at once included: exactly one is written. 'refused': such a PUT fails. */
  readonly ifNoneMatch: 'honoured' | 'ignored' | 'refused' | 'not sent'
  /** `If-Match` on PUT: the form of the ETag that works; null if the condition is not honoured in either. */
  readonly ifMatch: 'quoted' | 'unquoted' | null
  /** 'single': one DELETE for each key. */
  readonly deletes: 'batch' | 'single'
  /** Lists come in pages, in the order of keys, and show what was just written and deleted. */
  readonly listsInPages: boolean
  /** What was written, replaced or deleted is seen so at once. */
  readonly isConsistent: boolean
  readonly honoursRange: boolean
  readonly copies: boolean
  /** A body that does not match its checksum is refused. */
  readonly checksContent: boolean
  /** So it is with `Content-MD5` alone, where the signature does not hold the body; absent: not tried. */
  readonly checksMd5?: boolean
  /** The store's clock minus ours. */
  readonly clockOffsetMs: number
  /** Of the bucket; 'unknown': the store does not tell (not implemented, no right to ask). */
  readonly versioning: 'off' | 'on' | 'suspended' | 'unknown'
  readonly objectLock: 'off' | 'on' | 'unknown'
  /** 'ours': a rule of the bucket removes our objects, or moves them where they cannot be read. */
  readonly expiry: 'none' | 'ours' | 'unknown'
}

export interface ProbeVerdict extends Observations {
  /** Wall time of the machine, milliseconds since the epoch. */
  readonly probedMs: number
  /** False: data could be lost or nothing works; `problems` say why. */
  readonly isUsable: boolean
  /** What makes the store unusable, a sentence each. */
  readonly problems: readonly string[]
  /** What is missing or unusual, with what is done instead, a sentence each. */
  readonly remarks: readonly string[]
  /** At most one of several PUTs with `If-None-Match: *` is written. */
  readonly honoursIfNoneMatch: boolean
}

/** Signatures are refused from a quarter of an hour on; a minute is already odd. */
const CLOCK_OFFSET_ODD_MS = 60_000

/** The verdict on `seen`. Pure. */
export function judge(seen: Observations, probedMs: number): ProbeVerdict {
  const problems = PROBLEMS.filter(([isSo]) => isSo(seen)).map(([, text]) => text)
  const remarks = REMARKS.filter(([isSo]) => isSo(seen)).map(([, text]) => text)
  const honoursIfNoneMatch = seen.ifNoneMatch === 'honoured'
  const isUsable = problems.length === 0
  return { ...seen, probedMs, isUsable, problems, remarks, honoursIfNoneMatch }
}

/** Quirks that requests to a store with this verdict need, those of its configuration included. Pure. */
export function quirksFor(
  verdict: ProbeVerdict,
  configured: readonly ProviderQuirk[],
): readonly ProviderQuirk[] {
  const isSingle = verdict.deletes === 'single'
  const found: readonly ProviderQuirk[] = isSingle ? ['delete-objects-via-delete-object'] : []
  return [...new Set([...configured, ...found])]
}

type Sentence = readonly [isSo: (seen: Observations) => boolean, text: string]

const PROBLEMS: readonly Sentence[] = [
  [
    ({ isConsistent }) => !isConsistent,
    'What was just written, replaced or deleted is not seen so at once: chunks in use could be taken for missing or unused.',
  ],
  [
    ({ listsInPages }) => !listsInPages,
    'ListObjectsV2 does not give all keys in order, page after page: collections would overlook indexes.',
  ],
  [
    ({ ifNoneMatch }) => ifNoneMatch === 'refused',
    "A PUT with 'If-None-Match: *' fails: give the endpoint the provider quirk 'skip-if-none-match-header'.",
  ],
  [
    ({ objectLock }) => objectLock === 'on',
    'The bucket has object lock: nothing could be deleted. Use a bucket without.',
  ],
  [
    ({ expiry }) => expiry === 'ours',
    'A lifecycle rule of the bucket expires or archives objects below our prefix: backups would lose chunks. Take the rule off.',
  ],
]

const REMARKS: readonly Sentence[] = [
  [
    ({ ifNoneMatch }) => ifNoneMatch === 'ignored' || ifNoneMatch === 'not sent',
    "'If-None-Match: *' does not keep what is there: each new chunk is asked for with a HEAD first, and no second server is kept out.",
  ],
  [
    ({ ifMatch }) => ifMatch === null,
    "'If-Match' on PUT is not honoured: a change by another server is noticed only afterwards.",
  ],
  [
    ({ deletes }) => deletes === 'single',
    'Batches of deletes are not confirmed key by key: one DELETE is sent for each key.',
  ],
  [({ honoursRange }) => !honoursRange, 'Ranges are not honoured: whole objects are read.'],
  [({ copies }) => !copies, 'Objects cannot be copied: damaged chunks stay where they are.'],
  [
    ({ checksContent }) => !checksContent,
    'Bodies are stored without a look at their checksum: damage shows when they are read.',
  ],
  [
    ({ clockOffsetMs }) => Math.abs(clockOffsetMs) > CLOCK_OFFSET_ODD_MS,
    'The clocks of the store and of this machine differ by more than a minute: set them. Ages of objects are counted by the clock of the store.',
  ],
  [
    ({ versioning }) => versioning === 'on' || versioning === 'suspended',
    'The bucket keeps old versions: deleted objects go on using space until a lifecycle rule for old versions removes them.',
  ],
  [
    ({ versioning, objectLock }) => versioning === 'unknown' || objectLock === 'unknown',
    'The store does not tell whether it keeps versions or locks objects: see to it that it does neither.',
  ],
  [
    ({ expiry }) => expiry === 'unknown',
    'The store does not tell its lifecycle rules: see to it that none expires our objects.',
  ],
]
