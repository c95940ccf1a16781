/** What a datastore must hold after a cut: told what is begun and what was answered, asked what may be missing. */
import assert from 'node:assert/strict'
import { ROOT_NAMESPACE } from '../../src/formats/namespace.ts'
import type { SmallBackup } from '../support/small-backups.ts'

interface Known {
  readonly backup: SmallBackup
  /** What is begun for it and not answered. */
  readonly pending: 'none' | 'add' | 'remove'
  /** Where it goes; it must be at one of the two places. */
  readonly movesTo: string | null
}

export class CutModel {
  readonly #known: Map<string, Known>
  /** Of the configuration: the last that was answered, and what may be there instead. */
  #comments: readonly string[]

  constructor(comments: readonly string[], known: Iterable<readonly [string, Known]> = []) {
    this.#comments = comments
    this.#known = new Map(known)
  }

  /** What is known at this moment; what is told later changes one of them only. */
  clone(): CutModel {
    return new CutModel(this.#comments, this.#known)
  }

  /** All that are there, if nothing is pending. */
  get backups(): SmallBackup[] {
    return Array.from(this.#known.values(), ({ backup }) => backup)
  }

  beginAdd(backup: SmallBackup): void {
    this.#known.set(keyOf(backup), { backup, pending: 'add', movesTo: null })
  }

  beginRemove(backup: SmallBackup): void {
    const known = this.#known.get(keyOf(backup))
    if (known !== undefined) this.#known.set(keyOf(backup), { ...known, pending: 'remove' })
  }

  beginMove(backup: SmallBackup, target: SmallBackup): void {
    const known = this.#known.get(keyOf(backup))
    const movesTo = keyOf(target)
    if (known !== undefined) this.#known.set(keyOf(backup), { ...known, movesTo })
    this.#known.set(movesTo, { backup: target, pending: 'add', movesTo: null })
  }

  /** It was answered that it is there. */
  isThere(backup: SmallBackup): void {
    this.#known.set(keyOf(backup), { backup, pending: 'none', movesTo: null })
  }

  /** It was answered that it is gone. */
  isGone(backup: SmallBackup): void {
    this.#known.delete(keyOf(backup))
  }

  beginComment(comment: string): void {
    this.#comments = [...this.#comments, comment]
  }

  /** What is answered, or found, replaces what was there. */
  isComment(comment: string): void {
    this.#comments = [comment]
  }

  /** Compares with the comment that is found. */
  settleComment(found: string): void {
    assert.ok(this.#comments.includes(found), `comment '${found}' of ${this.#comments.join()}`)
    this.isComment(found)
  }

  /** Compares with what is listed, which counts from now on. */
  settle(listed: readonly SmallBackup[]): void {
    const found = new Set(listed.map(keyOf))
    const lost: string[] = []
    for (const [key, { pending, movesTo }] of this.#known) {
      if (found.has(key) || pending !== 'none') continue
      if (movesTo === null || !found.has(movesTo)) lost.push(key)
    }
    const strange = [...found].filter((key) => !this.#known.has(key))
    assert.deepEqual(
      { lost, strange },
      { lost: [], strange: [] },
      'answered and lost, or never made',
    )
    for (const [key, { backup }] of this.#known) {
      // The key stays, so the order does: the last in it are the newest.
      if (found.has(key)) this.isThere(backup)
      else this.#known.delete(key)
    }
  }
}

/** Namespace, group and number. */
export function keyOf({
  namespace = ROOT_NAMESPACE,
  group = 'host/web1',
  number,
}: SmallBackup): string {
  return `${namespace}:${group}/${number}`
}
