/**
 * DELETE of many keys, each confirmed by name (datastore-semantics.md 19.2, races.md ).
 *
 * What was not confirmed is asked for again, within the budget of one call; what stays unconfirmed is `failed`, and the
 * answer is late if any attempt may still be executed.
 */
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  type DeleteObjectsCommandOutput,
} from '@aws-sdk/client-s3'
import { mapConcurrent } from '../../base/async/map-concurrent.ts'
import { CairnError, toError } from '../../base/errors.ts'
import type { DeleteAnswer, RequestOptions } from '../object-store.ts'
import { isLateError } from './errors.ts'
import type { S3Parts } from './s3-parts.ts'

/** One DELETE for each key: so many at a time fill the line without taking it from uploads. */
const SINGLE_CONCURRENCY = 16
/** Rounds of a batch for keys that the store left out or failed for a reason that may pass. */
const ROUNDS_MAX = 3
const ROUND_DELAY_MS = 1_000
/** Errors of single keys that may pass; the store may have begun. */
const PASSING = new Set(['InternalError', 'SlowDown', 'ServiceUnavailable', 'OperationAborted'])

/** The keys that XML can carry; the others go one by one. */
const XML_SAFE = /^[\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u

type Failed = DeleteAnswer['failed'][number]

/** Deletes `keys`. Throws only the signal's reason, and only if nothing was sent. */
export async function deleteKeys(
  parts: S3Parts,
  keys: readonly string[],
  options: RequestOptions,
): Promise<DeleteAnswer> {
  options.signal?.throwIfAborted()
  if (keys.length === 0) return { deleted: [], failed: [], isLate: false }
  const isSingle = parts.quirks.includes('delete-objects-via-delete-object')
  const batch = isSingle ? [] : keys.filter((key) => XML_SAFE.test(key))
  const single = isSingle ? keys : keys.filter((key) => !XML_SAFE.test(key))
  const answers = [
    ...(batch.length > 0 ? [await deleteBatch(parts, batch, options)] : []),
    ...(single.length > 0 ? [await deleteSingly(parts, single, options)] : []),
  ]
  return {
    deleted: answers.flatMap(({ deleted }) => deleted),
    failed: answers.flatMap(({ failed }) => failed),
    isLate: answers.some(({ isLate }) => isLate),
  }
}

async function deleteBatch(
  parts: S3Parts,
  keys: readonly string[],
  options: RequestOptions,
): Promise<DeleteAnswer> {
  const deleted = new Set<string>()
  let left: readonly string[] = keys
  let reasons = new Map<string, string>()
  let isLate = false
  for (let round = 1; ; round += 1) {
    try {
      const outcome = await requestBatch(parts, left, options)
      isLate ||= outcome.isLate
      const said = readAnswer(outcome.result, left)
      for (const key of said.deleted) deleted.add(key)
      isLate ||= said.isLate
      reasons = said.reasons
      const mayPass = left.filter((key) => !deleted.has(key) && !said.definite.has(key))
      if (mayPass.length === 0 || round === ROUNDS_MAX) break
      left = mayPass
      await parts.clock.sleep(ROUND_DELAY_MS, options.signal)
    } catch (error) {
      isLate ||= isLateError(error)
      const reason = reasonOf(error)
      for (const key of left) if (!deleted.has(key) && !reasons.has(key)) reasons.set(key, reason)
      break
    }
  }
  const open = keys.filter((key) => !deleted.has(key))
  const failed = open.map((key) => ({ key, reason: reasons.get(key) ?? NOT_NAMED }))
  return { deleted: [...deleted], failed, isLate }
}

const NOT_NAMED = 'the store did not confirm this key'

async function requestBatch(
  { client, bucket, attempts, requestMs }: S3Parts,
  keys: readonly string[],
  { signal }: RequestOptions,
): Promise<{ readonly result: DeleteObjectsCommandOutput; readonly isLate: boolean }> {
  const Objects = keys.map((key) => ({ Key: key }))
  const input = { Bucket: bucket, Delete: { Objects, Quiet: false } }
  return await attempts.run(
    { operation: 'delete', key: keys[0] ?? null, timeoutMs: requestMs, signal },
    {
      send: async (abortSignal) =>
        await client.send(new DeleteObjectsCommand(input), { abortSignal }),
    },
  )
}

interface Said {
  readonly deleted: readonly string[]
  readonly reasons: Map<string, string>
  /** Keys with a no that will not pass. */
  readonly definite: ReadonlySet<string>
  readonly isLate: boolean
}

/** Only names that were asked for count; a name in both lists is not deleted. */
function readAnswer(answer: DeleteObjectsCommandOutput, asked: readonly string[]): Said {
  const reasons = new Map<string, string>()
  const definite = new Set<string>()
  let isLate = false
  for (const { Key = '', Code = 'unknown', Message } of answer.Errors ?? []) {
    reasons.set(Key, Message === undefined || Message === '' ? Code : `${Code}: ${Message}`)
    if (!PASSING.has(Code)) definite.add(Key)
    else if (Code === 'InternalError') isLate = true
  }
  const named = new Set((answer.Deleted ?? []).map(({ Key }) => Key))
  const deleted = asked.filter((key) => named.has(key) && !reasons.has(key))
  const isSilent = asked.some((key) => !named.has(key) && !reasons.has(key))
  return { deleted, reasons, definite, isLate: isLate || isSilent }
}

async function deleteSingly(
  parts: S3Parts,
  keys: readonly string[],
  { signal }: RequestOptions,
): Promise<DeleteAnswer> {
  const deleted: string[] = []
  const failed: Failed[] = []
  let isLate = false
  const limits = { concurrency: SINGLE_CONCURRENCY, ordered: false }
  // No signal here: who has begun is waited for, and every key has its answer.
  const answers = mapConcurrent(keys, limits, async (key) => await deleteOne(parts, key, signal))
  for await (const { key, reason, wasLate } of answers) {
    isLate ||= wasLate
    if (reason === null) deleted.push(key)
    else failed.push({ key, reason })
  }
  return { deleted, failed, isLate }
}

interface One {
  readonly key: string
  readonly reason: string | null
  readonly wasLate: boolean
}

async function deleteOne(
  { client, bucket, attempts, requestMs }: S3Parts,
  key: string,
  signal: AbortSignal | undefined,
): Promise<One> {
  try {
    const { isLate } = await attempts.run<unknown>(
      { operation: 'delete', key, timeoutMs: requestMs, signal },
      {
        send: async (abortSignal) =>
          await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }), { abortSignal }),
        accept: ({ kind, code }) => (kind === 'absent' && code === 'NoSuchKey' ? true : undefined),
      },
    )
    return { key, reason: null, wasLate: isLate }
  } catch (error) {
    return { key, reason: reasonOf(error), wasLate: isLateError(error) }
  }
}

function reasonOf(error: unknown): string {
  const reason = error instanceof CairnError ? error.data['reason'] : undefined
  return typeof reason === 'string' ? reason : toError(error).message
}
