/**
 * A bucket whose answers a test writes: it holds, fails, loses, delays or splits the requests that the test names, and
 * counts all of them. A plan that was not used fails the test in `assertDone`.
 */
import assert from 'node:assert/strict'
import { errors } from '../../src/storage/s3/errors.ts'
import { MemoryObjectStore } from '../../src/storage/memory-object-store.ts'
import {
  type DeleteAnswer,
  type GetOptions,
  KEYS_PER_REQUEST,
  type ListOptions,
  type ListPage,
  type ObjectInfo,
  type ObjectStore,
  type PutAnswer,
  type PutCondition,
  type RequestOptions,
  type StoredObject,
} from '../../src/storage/object-store.ts'

export type Operation =
  | 'get'
  | 'head'
  | 'put'
  | 'copy'
  | 'delete'
  | 'list'
  | 'abortUploads'
  | 'checkBucket'
  | 'now'

/** A key, a part of keys, or any. For a list it is the prefix, for a copy the target, for a delete one of the keys. */
export type KeyMatch = string | RegExp | null

export interface ScriptedRequest {
  readonly operation: Operation
  readonly keys: readonly string[]
}

/** One planned request. */
export interface Plan {
  /** The request has come; nothing was done yet (`holdAnswer`: it was executed). */
  readonly arrived: Promise<ScriptedRequest>
  /** Lets a held request, or its answer, go on. */
  release(): void
  /** Executes now what the caller has given up (`executeLater`); resolves when the store did it. */
  execute(): Promise<void>
}

type Kind = 'hold' | 'holdAnswer' | 'fail' | 'refuse' | 'lose' | 'later' | 'laterAgain' | 'partly'

interface Rule {
  readonly kind: Kind
  readonly operation: Operation
  readonly match: KeyMatch
  /** Keys of a delete that are not executed. */
  readonly failing: KeyMatch
  readonly reason: string
  readonly arrive: (request: ScriptedRequest) => void
  readonly go: PromiseWithResolvers<void>
  late: (() => Promise<unknown>) | null
}

export class ScriptedObjectStore implements ObjectStore {
  readonly #inner: ObjectStore
  readonly #rules: Rule[] = []
  /** All that came, in order; one of a list for each page. */
  readonly requests: ScriptedRequest[] = []

  constructor(inner: ObjectStore) {
    this.#inner = inner
  }

  get place(): string {
    return this.#inner.place
  }

  /** The next such request waits before it is executed. */
  hold(operation: Operation, match: KeyMatch = null): Plan {
    return this.#plan('hold', operation, match)
  }

  /** The next such request is executed, its answer waits. */
  holdAnswer(operation: Operation, match: KeyMatch = null): Plan {
    return this.#plan('holdAnswer', operation, match)
  }

  /** The next such request is not executed and definitely so: S3_UNAVAILABLE, not late. */
  fail(operation: Operation, match: KeyMatch = null, reason = 'slow down'): Plan {
    return this.#plan('fail', operation, match, { reason })
  }

  /** The store's definite no: S3_REFUSED. */
  refuse(operation: Operation, match: KeyMatch = null, reason = 'AccessDenied'): Plan {
    return this.#plan('refuse', operation, match, { reason })
  }

  /** The next such request is executed, its answer is lost: S3_UNAVAILABLE, late. */
  loseAnswer(operation: Operation, match: KeyMatch = null): Plan {
    return this.#plan('lose', operation, match)
  }

  /** The caller is told S3_UNAVAILABLE, late; the store does it when the test says `execute`. */
  executeLater(operation: Operation, match: KeyMatch = null): Plan {
    return this.#plan('later', operation, match)
  }

  /** An attempt was lost and repeated: the caller is told of success, late; the first is executed at `execute`. */
  executeAgainLater(operation: Operation, match: KeyMatch = null): Plan {
    return this.#plan('laterAgain', operation, match)
  }

  /** The next batch of deletes with such a key leaves it undone, by name; the others are deleted. */
  failPartly(match: KeyMatch, reason = 'InternalError'): Plan {
    return this.#plan('partly', 'delete', match, { reason, failing: match })
  }

  /** Requests of one kind so far. */
  countOf(operation: Operation): number {
    return this.requests.filter((request) => request.operation === operation).length
  }

  /** Fails if something was planned that did not come. */
  assertDone(): void {
    const open = this.#rules.map(({ kind, operation, match }) => `${kind} ${operation} ${match}`)
    assert.deepEqual(open, [], 'all planned requests came')
  }

  async get(key: string, options?: GetOptions): Promise<StoredObject | null> {
    return await this.#run('get', [key], async () => await this.#inner.get(key, options))
  }

  async head(key: string, options?: RequestOptions): Promise<ObjectInfo | null> {
    return await this.#run('head', [key], async () => await this.#inner.head(key, options))
  }

  async put(
    key: string,
    body: Uint8Array,
    options: RequestOptions & { readonly condition: PutCondition },
  ): Promise<PutAnswer> {
    // What a store executes late is what was sent.
    const sent = new Uint8Array(body)
    return await this.#run('put', [key], async () => await this.#inner.put(key, sent, options))
  }

  async copy(from: string, to: string, options?: RequestOptions) {
    return await this.#run('copy', [to], async () => await this.#inner.copy(from, to, options))
  }

  async delete(keys: readonly string[], options?: RequestOptions): Promise<DeleteAnswer> {
    const sent = [...keys]
    try {
      return await this.#run(
        'delete',
        sent,
        async (rule) => await this.#delete(sent, rule, options),
      )
    } catch (error) {
      if (!isScripted(error)) throw error
      const { reason, isLate } = error.data
      return { deleted: [], failed: sent.map((key) => ({ key, reason })), isLate }
    }
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<ListPage> {
    const pages = this.#inner.list(prefix, options)[Symbol.asyncIterator]()
    for (;;) {
      const { done, value } = await this.#run('list', [prefix], async () => await pages.next())
      if (done === true) {
        this.requests.pop()
        return
      }
      yield value
      const { objects, folders } = value
      // A map has no more then; asking it would use up a plan for a request that no store ever sees.
      const isShort = objects.length + folders.length < KEYS_PER_REQUEST
      if (isShort && this.#inner instanceof MemoryObjectStore) return
    }
  }

  async abortUploads(
    prefix: string,
    options: RequestOptions & { readonly beforeMs: number },
  ): Promise<number> {
    const run = async (): Promise<number> => await this.#inner.abortUploads(prefix, options)
    return await this.#run('abortUploads', [prefix], run)
  }

  async checkBucket(options?: RequestOptions): Promise<void> {
    await this.#run('checkBucket', [], async () => await this.#inner.checkBucket(options))
  }

  async now(options?: RequestOptions): Promise<number> {
    return await this.#run('now', [], async () => await this.#inner.now(options))
  }

  async #delete(
    keys: readonly string[],
    rule: Rule | null,
    options: RequestOptions | undefined,
  ): Promise<DeleteAnswer> {
    if (rule?.kind !== 'partly') return await this.#inner.delete(keys, options)
    const isFailing = (key: string): boolean => matches(rule.failing, key)
    const answer = await this.#inner.delete(
      keys.filter((key) => !isFailing(key)),
      options,
    )
    const failed = keys.filter(isFailing).map((key) => ({ key, reason: rule.reason }))
    return { ...answer, failed: [...answer.failed, ...failed] }
  }

  async #run<Result>(
    operation: Operation,
    keys: readonly string[],
    send: (rule: Rule | null) => Promise<Result>,
  ): Promise<Result> {
    const request = { operation, keys }
    this.requests.push(request)
    const rule = this.#take(request)
    if (rule === null) return await send(null)
    const execute = async (): Promise<Result> => await send(rule)
    const told = { operation, keys, reason: rule.reason, place: this.place }
    switch (rule.kind) {
      case 'hold':
      case 'partly':
        rule.arrive(request)
        if (rule.kind === 'hold') await rule.go.promise
        return await execute()
      case 'holdAnswer':
      case 'lose': {
        const answer = await execute()
        rule.arrive(request)
        if (rule.kind === 'lose') throw unavailable({ ...told, isLate: true })
        await rule.go.promise
        return answer
      }
      case 'fail':
        rule.arrive(request)
        throw unavailable({ ...told, isLate: false })
      case 'refuse':
        rule.arrive(request)
        throw errors.S3_REFUSED(failure({ ...told, isLate: false }))
      case 'later':
        rule.late = execute
        rule.arrive(request)
        throw unavailable({ ...told, isLate: true })
      case 'laterAgain': {
        rule.late = execute
        const answer = await execute()
        rule.arrive(request)
        return { ...answer, isLate: true }
      }
      default:
        return rule.kind satisfies never
    }
  }

  #plan(
    kind: Kind,
    operation: Operation,
    match: KeyMatch,
    { reason = 'no answer', failing = null }: { reason?: string; failing?: KeyMatch } = {},
  ): Plan {
    const arrived = Promise.withResolvers<ScriptedRequest>()
    const go = Promise.withResolvers<void>()
    const arrive = arrived.resolve
    const rule: Rule = { kind, operation, match, failing, reason, arrive, go, late: null }
    this.#rules.push(rule)
    return {
      arrived: arrived.promise,
      release: () => go.resolve(),
      execute: async () => {
        assert(rule.late !== null, 'there is something to execute')
        await rule.late()
      },
    }
  }

  #take({ operation, keys }: ScriptedRequest): Rule | null {
    const index = this.#rules.findIndex(
      (rule) =>
        rule.operation === operation &&
        (rule.match === null || keys.some((key) => matches(rule.match, key))),
    )
    return index < 0 ? null : (this.#rules.splice(index, 1)[0] ?? null)
  }
}

function matches(match: KeyMatch, key: string): boolean {
  if (match === null) return true
  return typeof match === 'string' ? key === match : match.test(key)
}

interface Told {
  readonly operation: Operation
  readonly keys: readonly string[]
  readonly place: string
  readonly reason: string
  readonly isLate: boolean
}

function unavailable(told: Told): Error {
  const error = errors.S3_UNAVAILABLE(failure(told))
  return Object.assign(error, { [SCRIPTED]: true })
}

const SCRIPTED = Symbol('scripted')

function isScripted(
  error: unknown,
): error is { readonly data: { readonly reason: string; readonly isLate: boolean } } {
  return error instanceof Error && SCRIPTED in error
}

function failure({ operation, keys, place, reason, isLate }: Told) {
  const key = keys[0] ?? null
  return { operation, place, key, requestId: 'scripted', reason, advice: 'as planned', isLate }
}
