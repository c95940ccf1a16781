/** Claims a bucket for a new datastore and gives it back (formats.md 10.3, races.md R-39). */
import type { FileSystem } from '../../base/fs/file-system.ts'
import type { PutAnswer } from '../../storage/object-store.ts'
import { errors } from '../errors.ts'
import type { BucketPlace } from './bucket-place.ts'
import { withPlace, type Place } from './bucket-place.ts'
import { deleteObjects } from './delete-objects.ts'
import { lastDeleteOf } from './doubt-all.ts'
import {
  type BucketState,
  formatHolder,
  formatInUse,
  type HolderObject,
  parseInUse,
  readBucketState,
} from './holder-object.ts'
import { HolderCopy } from './holder-copy.ts'
import { HOLDER_OBJECT, IN_USE_OBJECT } from './keys.ts'
import { differenceOf, newNonce } from './object-holder.ts'
import { CACHE_FOLDER } from './open-bucket.ts'

/** For `.in-use`, where nobody says better. */
const UNKNOWN_HOST = 'cairn'

export type { BucketPlace } from './bucket-place.ts'

export interface ClaimBucketOptions extends BucketPlace {
  /** Host name as stock writes it into `.in-use`. */
  readonly hostname: string
  /** Take it although it is in use. */
  readonly overwriteInUse: boolean
}

/**
 * Makes us the holder. The datastore's folder was made before (createDatastore). Throws DATASTORE_CREATE_FAILED with
 * stock's text `Bucket already contains datastore in use by host …`, BUCKET_CLAIM_FAILED, the errors of ObjectStore.
 * What is in the bucket stays; until `refreshStore` has brought it here, nothing is collected.
 */
export async function claimBucket(fs: FileSystem, options: ClaimBucketOptions): Promise<void> {
  await withPlace(fs, options, async (place) => {
    const { opened, prefix, ledger, marks, progress } = place
    await opened.objects.checkBucket()
    // An earlier attempt that died after its claim: nobody has had it since.
    const own = await findOwnHold(place)
    if (own !== null) progress.log('The bucket was claimed from here before.')
    else await writeInUse(place, options)
    const { holderId, generation, nonce } = await becomeHolder(place, own ?? options)
    await ledger.clear()
    if (await hasContent(place)) {
      await marks.set('refreshing')
      progress.log(`Bucket has objects below '${prefix}/': they are used after a refresh`)
    }
    await remember(place, { holderId, generation, nonce, pending: null })
  })
}

/**
 * Whether the bucket is held by us with what the datastore's folder says: a creation that died after its claim can be
 * repeated. Errors: those of ObjectStore.
 */
export async function isHeldFromHere(
  fs: FileSystem,
  place: { readonly opened: Place['opened']; readonly prefix: string; readonly path: string },
): Promise<boolean> {
  const copy = new HolderCopy(fs, place)
  return (await findOwnHold({ ...place, copy })) !== null
}

async function findOwnHold({ opened, prefix, copy }: Pick<Place, 'opened' | 'prefix' | 'copy'>) {
  const known = await copy.read()
  if (known === null) return null
  const state = await readBucketState(opened.objects, prefix)
  return differenceOf(known, state) === null ? state.holder : null
}

/**
 * Makes us the holder again, with a generation that nobody has seen: a copy of ourselves is told apart from then on.
 * `onBegin` runs before the first change. Throws BUCKET_HELD before it if somebody else has the bucket, unless it is to
 * be taken over; BUCKET_CLAIM_FAILED, the errors of ObjectStore.
 */
export async function takeHold(
  place: Place,
  options: {
    readonly takesOver: boolean
    readonly hostname?: string
    readonly onBegin: () => Promise<void>
  },
): Promise<HolderObject> {
  const { opened, prefix, ledger } = place
  const { objects } = opened
  const { takesOver, hostname = UNKNOWN_HOST, onBegin } = options
  const known = ledger.holder
  const state = await readBucketState(objects, prefix)
  const isFree = state.inUseMs === null
  const isOurs = !isFree && known?.holderId === state.holder?.holderId && isInUseOf(state)
  if (!takesOver && !isFree && !isOurs) {
    const found = await objects.get(`${prefix}/${IN_USE_OBJECT}`)
    const host = found === null ? null : parseInUse(found.body)
    const reason = host === null ? 'it is in use by another server' : `it is in use by host ${host}`
    throw errors.BUCKET_HELD({ place: objects.place, reason })
  }
  await onBegin()
  if (isOurs && state.holder !== null) return await becomeHolder(place, state.holder)
  await writeInUse(place, { hostname, overwriteInUse: !isFree })
  return await becomeHolder(place, { hostname })
}

function isInUseOf({ holder, inUseMs }: BucketState): boolean {
  return holder !== null && holder.inUseMs === inUseMs
}

/**
 * Removes `.cairn-holder` and `.in-use`, and nothing else: the datastore goes from our configuration, its data stay. The
 * two stay if the bucket is not ours any more, with a warning.
 */
export async function giveBackBucket(fs: FileSystem, options: BucketPlace): Promise<void> {
  await withPlace(fs, options, async (place) => {
    const { opened, prefix, ledger, copy, progress } = place
    const { objects } = opened
    const difference = differenceOf(ledger.holder, await readBucketState(objects, prefix))
    if (difference !== null) {
      progress.warn(`The bucket is not given back: ${difference}`)
    } else {
      const keys = [`${prefix}/${HOLDER_OBJECT}`, `${prefix}/${IN_USE_OBJECT}`]
      for (const key of keys) await deleteObjects({ objects, ledger, clock: options.clock }, [key])
      progress.log('The bucket is not in use any more.')
    }
    // Whoever has it next may change all of it.
    await ledger.clear()
    await copy.remove()
    await fs.removeTree(`${options.path}/${CACHE_FOLDER}`)
  })
}

/** The conditional PUT is what two at once cannot both pass. */
async function writeInUse(
  { opened, prefix }: Place,
  { hostname, overwriteInUse }: { readonly hostname: string; readonly overwriteInUse: boolean },
): Promise<void> {
  const { objects, verdict } = opened
  const key = `${prefix}/${IN_USE_OBJECT}`
  const isConditional = verdict.honoursIfNoneMatch && !overwriteInUse
  if (!isConditional && !overwriteInUse) {
    const found = await objects.get(key)
    if (found !== null) refuseInUse(parseInUse(found.body))
  }
  const condition = { kind: isConditional ? 'absent' : 'always' } as const
  const answer = await objects.put(key, formatInUse(hostname), { condition })
  if (answer.outcome === 'written') return
  const found = await objects.get(key)
  const host = found === null ? null : parseInUse(found.body)
  // An attempt of this very call may have come through before its answer was lost.
  if (!(await isOwnAttempt(opened.objects, prefix, { answer, isSameHost: host === hostname }))) {
    refuseInUse(host)
  }
}

/** Nobody who has had it for longer is without a holder object of ours; stock is never the one that just began. */
async function isOwnAttempt(
  objects: Place['opened']['objects'],
  prefix: string,
  { answer, isSameHost }: { readonly answer: PutAnswer; readonly isSameHost: boolean },
): Promise<boolean> {
  if (!answer.isLate || !isSameHost) return false
  return (await readBucketState(objects, prefix)).holder === null
}

function refuseInUse(host: string | null): never {
  const text = 'Bucket already contains datastore in use'
  throw errors.DATASTORE_CREATE_FAILED({ text: host === null ? text : `${text} by host ${host}` })
}

/** Under the id that was ours before, if there is one: what ends it before the PUT must not make us strangers. */
async function becomeHolder(
  place: Place,
  { hostname, holderId = newNonce() }: { readonly hostname: string; readonly holderId?: string },
): Promise<HolderObject> {
  const { opened, prefix, ledger } = place
  const { objects, verdict } = opened
  const { holder: before, inUseMs } = await readBucketState(objects, prefix)
  if (inUseMs === null) refuseClaim(place, '.in-use vanished at the same time')
  const generation = (before?.generation ?? 0) + 1
  const state = { holderId, generation, nonce: newNonce() }
  const pending = { generation, nonce: state.nonce }
  await remember(place, { holderId, generation: generation - 1, nonce: '', pending })
  const lastDeleteMs = await lastDeleteOf(before, objects)
  const object: HolderObject = { ...state, hostname, inUseMs, lastDeleteMs }
  const condition =
    before === null
      ? ({ kind: verdict.honoursIfNoneMatch ? 'absent' : 'always' } as const)
      : verdict.ifMatch === null
        ? ({ kind: 'always' } as const)
        : ({ kind: 'unchanged', etag: before.etag } as const)
  await objects.put(`${prefix}/${HOLDER_OBJECT}`, formatHolder(object), { condition })
  // Whatever was answered: what is there now decides.
  const difference = differenceOf(ledger.holder, await readBucketState(objects, prefix))
  if (difference !== null) refuseClaim(place, difference)
  return object
}

async function remember(
  { copy, ledger }: Place,
  holder: Parameters<Place['ledger']['setHolder']>[0],
): Promise<void> {
  await copy.write(holder)
  await ledger.setHolder(holder)
}

async function hasContent({ opened, prefix }: Place): Promise<boolean> {
  const own = new Set([`${prefix}/${HOLDER_OBJECT}`, `${prefix}/${IN_USE_OBJECT}`])
  for await (const page of opened.objects.list(`${prefix}/`)) {
    if (page.objects.some(({ key }) => !own.has(key))) return true
  }
  return false
}

function refuseClaim({ opened }: Place, reason: string): never {
  throw errors.BUCKET_CLAIM_FAILED({ place: opened.objects.place, reason })
}
