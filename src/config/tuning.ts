/** The property `tuning` of a datastore (rest-api.md 4.9); the keys `known-chunk-*` are our own. */
import { errors } from './errors.ts'
import { parsePropertyString } from './property-string.ts'

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
}

/** Values of the keys that are checked: a word that nobody knows must not pass for the default. */
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  'sync-level': SYNC_LEVELS,
  'chunk-order': CHUNK_ORDERS,
  'known-chunk-check': KNOWN_CHUNK_CHECKS,
}

/** What is stored, with defaults for what is not or (in a file written by hand) not understood. */
export function tuningOf(properties: ReadonlyMap<string, string> | null): Tuning {
  const waitSeconds = Number(properties?.get('known-chunk-wait') ?? Number.NaN)
  return {
    syncLevel: oneOf(SYNC_LEVELS, properties?.get('sync-level'), 'filesystem'),
    chunkOrder: oneOf(CHUNK_ORDERS, properties?.get('chunk-order'), 'inode'),
    knownChunkCheck: oneOf(KNOWN_CHUNK_CHECKS, properties?.get('known-chunk-check'), 'full'),
    knownChunkWaitMs: waitSeconds >= 0 ? waitSeconds * 1000 : KNOWN_CHUNK_WAIT_DEFAULT_MS,
  }
}

/** Checks new text for the property. Errors: TUNING_INVALID, those of `parsePropertyString`. */
export function checkTuning(text: string | undefined): void {
  if (text === undefined) return
  for (const [key, value] of parsePropertyString(text)) {
    const choices = CHOICES[key]
    const isWait = key === 'known-chunk-wait'
    const isWrong = isWait ? !(Number(value) >= 0) : choices?.includes(value) === false
    if (isWrong) {
      throw errors.TUNING_INVALID({ key, value, expected: choices?.join(', ') ?? 'seconds' })
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
