/** The property `tuning` of a datastore (rest-api.md 4.9); the keys `known-chunk-*`, `gc-grace`, `gc-memory`, `verify-rate` are our own. */
import { errors } from './errors.ts'
import { parseBoolean, parsePropertyString } from './property-string.ts'

const SYNC_LEVELS = ['none', 'file', 'filesystem'] as const
const CHUNK_ORDERS = ['inode', 'none'] as const
const KNOWN_CHUNK_CHECKS = ['full', 'register', 'off'] as const
const KNOWN_CHUNK_WAIT_DEFAULT_MS = 5000

export interface Tuning {
  readonly syncLevel: (typeof SYNC_LEVELS)[number]
  readonly chunkOrder: (typeof CHUNK_ORDERS)[number]
  /** When known chunks are looked at: at registration and finish, at registration only, never. */
  readonly knownChunkCheck: (typeof KNOWN_CHUNK_CHECKS)[number]
  /** How long `GET /previous` waits for the look (`known-chunk-wait`, seconds in the file). */
  readonly knownChunkWaitMs: number
  /** How old an unreferenced chunk must be to be removed: `gc-grace` (seconds), else `gc-atime-cutoff` (minutes). */
  readonly gcGraceMs: number
  /** Bytes that the marks of a collection may take (`gc-memory`). */
  readonly gcMemoryMax: number
  /** Files that a verification reads at a time (`default-verification-readers`). */
  readonly verifyReadThreads: number
  /** Chunks that a verification decodes at a time (`default-verification-workers`). */
  readonly verifyThreads: number
  /** Stored bytes that a verification reads per second (`verify-rate`); null for no limit. */
  readonly verifyRateLimit: number | null
}

/** Stock's range and default of `gc-atime-cutoff`, minutes. */
const CUTOFF_MIN = 1
const CUTOFF_MAX = 2880
const CUTOFF_DEFAULT = 1445
/** Stock's bound of `gc-cache-capacity`, which means nothing here. */
const CACHE_CAPACITY_MAX = 8_388_608
const GC_MEMORY_DEFAULT = 1 << 30
/** Less would not hold the tables of one of the many passes that it takes then. */
const GC_MEMORY_MIN = 1 << 20
/** Stock's range and defaults of `default-verification-readers` and `-workers`. */
const VERIFY_THREADS = { min: 1, max: 32, isWhole: true, expected: 'a number from 1 to 32' }
const VERIFY_READERS_DEFAULT = 1
const VERIFY_WORKERS_DEFAULT = 4
/** A chunk may have 16 MiB: less a second would be bursts with long pauses. */
const VERIFY_RATE_MIN = 1 << 20

/** Values of the keys that are checked: a word that nobody knows must not pass for the default. */
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  'sync-level': SYNC_LEVELS,
  'chunk-order': CHUNK_ORDERS,
  'known-chunk-check': KNOWN_CHUNK_CHECKS,
}

interface NumberRange {
  readonly min: number
  readonly max: number
  readonly isWhole: boolean
  readonly expected: string
}

const NUMBERS: Readonly<Record<string, NumberRange>> = {
  'known-chunk-wait': { min: 0, max: Number.MAX_VALUE, isWhole: false, expected: 'seconds' },
  'gc-grace': { min: 0, max: Number.MAX_SAFE_INTEGER, isWhole: true, expected: 'seconds' },
  'gc-atime-cutoff': {
    min: CUTOFF_MIN,
    max: CUTOFF_MAX,
    isWhole: true,
    expected: `minutes from ${CUTOFF_MIN} to ${CUTOFF_MAX}`,
  },
  'gc-memory': {
    min: GC_MEMORY_MIN,
    max: Number.MAX_SAFE_INTEGER,
    isWhole: true,
    expected: `bytes, at least ${GC_MEMORY_MIN}`,
  },
  'default-verification-readers': VERIFY_THREADS,
  'default-verification-workers': VERIFY_THREADS,
  'gc-cache-capacity': {
    min: 0,
    max: CACHE_CAPACITY_MAX,
    isWhole: true,
    expected: `a number from 0 to ${CACHE_CAPACITY_MAX}`,
  },
  'verify-rate': {
    min: VERIFY_RATE_MIN,
    max: Number.MAX_SAFE_INTEGER,
    isWhole: true,
    expected: `bytes per second, at least ${VERIFY_RATE_MIN}`,
  },
}

/** Booleans of stock's that mean nothing here. */
const FLAGS: readonly string[] = ['gc-atime-safety-check']

/** All keys that may be stored; those of stock keep their values, whether or not they mean something here. */
export const TUNING_KEYS: readonly string[] = [
  ...Object.keys(CHOICES),
  ...Object.keys(NUMBERS),
  ...FLAGS,
]

/** What is stored, with defaults for what is not or (in a file written by hand) not understood. */
export function tuningOf(properties: ReadonlyMap<string, string> | null): Tuning {
  const waitSeconds = Number(properties?.get('known-chunk-wait') ?? Number.NaN)
  return {
    syncLevel: oneOf(SYNC_LEVELS, properties?.get('sync-level'), 'filesystem'),
    chunkOrder: oneOf(CHUNK_ORDERS, properties?.get('chunk-order'), 'inode'),
    knownChunkCheck: oneOf(KNOWN_CHUNK_CHECKS, properties?.get('known-chunk-check'), 'full'),
    knownChunkWaitMs: waitSeconds >= 0 ? waitSeconds * 1000 : KNOWN_CHUNK_WAIT_DEFAULT_MS,
    gcGraceMs: graceMs(properties),
    gcMemoryMax:
      numberWithin(properties?.get('gc-memory'), NUMBERS['gc-memory']) ?? GC_MEMORY_DEFAULT,
    verifyReadThreads:
      numberOf(properties, 'default-verification-readers') ?? VERIFY_READERS_DEFAULT,
    verifyThreads: numberOf(properties, 'default-verification-workers') ?? VERIFY_WORKERS_DEFAULT,
    verifyRateLimit: numberOf(properties, 'verify-rate'),
  }
}

function numberOf(properties: ReadonlyMap<string, string> | null, key: string): number | null {
  return numberWithin(properties?.get(key), NUMBERS[key])
}

function graceMs(properties: ReadonlyMap<string, string> | null): number {
  const grace = numberWithin(properties?.get('gc-grace'), NUMBERS['gc-grace'])
  if (grace !== null) return grace * 1000
  const cutoff = numberWithin(properties?.get('gc-atime-cutoff'), NUMBERS['gc-atime-cutoff'])
  return (cutoff ?? CUTOFF_DEFAULT) * 60_000
}

function numberWithin(text: string | undefined, range: NumberRange | undefined): number | null {
  if (text === undefined || range === undefined || !/^\d+(?:\.\d+)?$/.test(text)) return null
  const value = Number(text)
  if (range.isWhole && !Number.isSafeInteger(value)) return null
  return value >= range.min && value <= range.max ? value : null
}

/** Checks new text for the property. Errors: TUNING_INVALID, those of `parsePropertyString`. */
export function checkTuning(text: string | undefined): void {
  if (text === undefined) return
  for (const [key, value] of parsePropertyString(text)) {
    const choices = CHOICES[key]
    const range = NUMBERS[key]
    const isWrongNumber = range !== undefined && numberWithin(value, range) === null
    const isWrongFlag = FLAGS.includes(key) && parseBoolean(value) === null
    if (isWrongNumber || isWrongFlag || choices?.includes(value) === false) {
      const expected = choices?.join(', ') ?? range?.expected ?? 'true, false'
      throw errors.TUNING_INVALID({ key, value, expected })
    }
  }
}

function oneOf<Value extends string>(
  values: readonly Value[],
  text: string | undefined,
  fallback: Value,
): Value {
  return values.find((value) => value === text) ?? fallback
}
