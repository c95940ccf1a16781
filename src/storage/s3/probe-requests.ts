/** Requests that only the probe sends: what the library's client is asked for directly, one attempt each. */
import {
  GetBucketLifecycleConfigurationCommand,
  type GetBucketLifecycleConfigurationCommandOutput,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetObjectLockConfigurationCommand,
  type LifecycleRule,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { type BodyChecksums, checksumsOf } from '../../formats/body-checksums.ts'
import type { RequestOptions } from '../object-store.ts'
import type { Failure } from './failure.ts'
import type { S3Parts } from './s3-parts.ts'
import { withChecksums } from './sdk-client.ts'
import type { ProbeVerdict } from './verdict.ts'

export type Settings = Pick<ProbeVerdict, 'versioning' | 'objectLock' | 'expiry'>

/** Storage classes whose objects cannot be read before somebody brings them back. */
const ARCHIVES = new Set(['GLACIER', 'DEEP_ARCHIVE'])

const SENT = Buffer.from('as it was sent')
const NEVER_SENT = Buffer.from('as it never was')

export class ProbeRequests {
  readonly #parts: S3Parts
  readonly #options: RequestOptions

  constructor(parts: S3Parts, options: RequestOptions) {
    this.#parts = parts
    this.#options = options
  }

  /** Whether the store writes under `If-Match` in this very form; null: it takes no such condition at all. */
  async putIfMatch(key: string, body: Uint8Array, ifMatch: string): Promise<boolean | null> {
    const { client, bucket } = this.#parts
    const input = { Bucket: bucket, Key: key, Body: body, IfMatch: ifMatch }
    const command = withChecksums(new PutObjectCommand(input), await checksumsOf(body))
    return await this.#ask<boolean | null>(
      key,
      async (abortSignal) => {
        await client.send(command, { abortSignal })
        return true
      },
      (failure) =>
        failure.kind === 'unmet' || failure.kind === 'absent' ? false : noIfRefused(failure),
    )
  }

  /** Whether a body with these wrong checksums is refused. */
  async refusesDamage(key: string, wrong: 'md5' | 'sha256'): Promise<boolean> {
    const right = await checksumsOf(SENT)
    const other = await checksumsOf(NEVER_SENT)
    return await this.#refuses(
      key,
      wrong === 'md5'
        ? { ...right, md5Base64: other.md5Base64 }
        : { ...right, sha256: other.sha256 },
    )
  }

  /** Whether a body that is not signed is taken with the right MD5, and refused with a wrong one. */
  async checksMd5(key: string): Promise<boolean> {
    const right = await checksumsOf(SENT, { isSigned: false })
    const { md5Base64 } = await checksumsOf(NEVER_SENT)
    return !(await this.#refuses(key, right)) && (await this.#refuses(key, { ...right, md5Base64 }))
  }

  async #refuses(key: string, checksums: BodyChecksums): Promise<boolean> {
    const { client, bucket } = this.#parts
    const input = { Bucket: bucket, Key: key, Body: SENT }
    return await this.#ask(
      key,
      async (abortSignal) => {
        await client.send(withChecksums(new PutObjectCommand(input), checksums), { abortSignal })
        return false
      },
      // A wrong signature is what some say to a wrong checksum.
      ({ code, kind }) => (kind === 'refused' || isAboutBody(code) ? true : undefined),
    )
  }

  /** Whether a part of an object can be had without the rest. */
  async honoursRange(key: string): Promise<boolean> {
    const { client, bucket } = this.#parts
    return await this.#ask(
      key,
      async (abortSignal) => {
        const input = { Bucket: bucket, Key: key, Range: 'bytes=2-4' }
        const { Body, ContentLength } = await client.send(new GetObjectCommand(input), {
          abortSignal,
        })
        await Body?.transformToByteArray()
        return ContentLength === 3
      },
      (failure) => (failure.kind === 'refused' ? false : undefined),
    )
  }

  /** The keys below `prefix` in pages of `size`, as the store gives them. */
  async listInPages(prefix: string, size: number): Promise<string[][]> {
    const { client, bucket } = this.#parts
    const pages: string[][] = []
    let ContinuationToken: string | undefined
    // A store that ignores the token would never end.
    for (let count = 0; count < 10; count += 1) {
      const input = { Bucket: bucket, Prefix: prefix, MaxKeys: size, ContinuationToken }
      const page = await this.#ask(
        prefix,
        async (abortSignal) => await client.send(new ListObjectsV2Command(input), { abortSignal }),
      )
      pages.push((page.Contents ?? []).map(({ Key = '' }) => Key))
      if (page.IsTruncated !== true || page.NextContinuationToken === undefined) break
      ContinuationToken = page.NextContinuationToken
    }
    return pages
  }

  /** What the bucket does with our objects behind our back (races.md R-70). */
  async settings(prefix: string): Promise<Settings> {
    return {
      versioning: await this.#versioning(),
      objectLock: await this.#objectLock(),
      expiry: await this.#expiry(prefix),
    }
  }

  async #versioning(): Promise<Settings['versioning']> {
    const { client, bucket } = this.#parts
    return await this.#ask<Settings['versioning']>(
      null,
      async (abortSignal) => {
        const command = new GetBucketVersioningCommand({ Bucket: bucket })
        const { Status } = await client.send(command, { abortSignal })
        if (Status === 'Enabled') return 'on'
        return Status === 'Suspended' ? 'suspended' : 'off'
      },
      unknownIfNo,
    )
  }

  async #objectLock(): Promise<Settings['objectLock']> {
    const { client, bucket } = this.#parts
    return await this.#ask<Settings['objectLock']>(
      null,
      async (abortSignal) => {
        const command = new GetObjectLockConfigurationCommand({ Bucket: bucket })
        const { ObjectLockConfiguration } = await client.send(command, { abortSignal })
        return ObjectLockConfiguration?.ObjectLockEnabled === 'Enabled' ? 'on' : 'off'
      },
      (failure) =>
        ['ObjectLockConfigurationNotFoundError', 'InvalidBucketState'].includes(failure.code)
          ? 'off'
          : unknownIfNo(failure),
    )
  }

  async #expiry(prefix: string): Promise<Settings['expiry']> {
    const { client, bucket } = this.#parts
    const rules = await this.#ask<
      GetBucketLifecycleConfigurationCommandOutput | 'none' | 'unknown'
    >(
      null,
      async (abortSignal) => {
        const command = new GetBucketLifecycleConfigurationCommand({ Bucket: bucket })
        return await client.send(command, { abortSignal })
      },
      (failure) =>
        failure.code === 'NoSuchLifecycleConfiguration' ? 'none' : unknownIfNo(failure),
    )
    if (typeof rules === 'string') return rules
    return (rules.Rules ?? []).some((rule) => takesAway(rule, prefix)) ? 'ours' : 'none'
  }

  async #ask<Result>(
    key: string | null,
    send: (signal: AbortSignal) => Promise<Result>,
    accept?: (failure: Failure) => Result | undefined,
  ): Promise<Result> {
    const { attempts, requestMs } = this.#parts
    const call = { operation: 'probe', key, timeoutMs: requestMs, ...this.#options }
    const { result } = await attempts.run(call, { send, accept })
    return result
  }
}

/** Whether `rule` removes objects below `prefix`, or moves them where they cannot be read. Pure. */
export function takesAway(rule: LifecycleRule, prefix: string): boolean {
  if (rule.Status !== 'Enabled') return false
  const { Filter, Expiration, Transitions = [] } = rule
  // Objects of ours have no tags.
  const hasTag = Filter?.Tag !== undefined || (Filter?.And?.Tags?.length ?? 0) > 0
  const below = rule.Prefix ?? Filter?.Prefix ?? Filter?.And?.Prefix ?? ''
  const isOurs = below.startsWith(prefix) || prefix.startsWith(below)
  if (hasTag || !isOurs) return false
  const expires = Expiration?.Days !== undefined || Expiration?.Date !== undefined
  return expires || Transitions.some(({ StorageClass = '' }) => ARCHIVES.has(StorageClass))
}

function isAboutBody(code: string): boolean {
  return ['BadDigest', 'InvalidDigest', 'XAmzContentSHA256Mismatch'].includes(code)
}

function noIfRefused(failure: Failure): null | undefined {
  return failure.kind === 'refused' ? null : undefined
}

/** Not implemented, or no right to ask. */
function unknownIfNo(failure: Failure): 'unknown' | undefined {
  return failure.kind === 'refused' || failure.kind === 'absent' ? 'unknown' : undefined
}
