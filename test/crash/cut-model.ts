/** What a datastore must hold after a cut: told what is begun and what was answered, asked what may be missing. */
import assert from 'node:assert/strict'
import { ROOT_NAMESPACE } from '../../src/formats/namespace.ts'
import type { SmallBackup } from '../support/small-backups.ts'

interface Known {
  readonly backup: SmallBackup
  /** What is begun for it and not answered. */
  pending: 'none' | 'add' | 'remove'
  /** Where it goes; it must be at one of the two places. */
  movesTo: string | null
}

export class CutModel {
  readonly #known = new Map<string, Known>()

  /** All that are there, if nothing is pending. */
  get backups(): SmallBackup[] {
    return Array.from(this.#known.values(), ({ backup }) => backup)
  }

  beginAdd(backup: SmallBackup): void {
    this.#known.set(keyOf(backup), { backup, pending: 'add', movesTo: null })
  }

  beginRemove(backup: SmallBackup): void {
    const known = this.#known.get(keyOf(backup))
    if (known !== undefined) known.pending = 'remove'
  }

  beginMove(backup: SmallBackup, target: SmallBackup): void {
    const known = this.#known.get(keyOf(backup))
    if (known !== undefined) known.movesTo = keyOf(target)
    this.#known.set(keyOf(target), { backup: target, pending: 'add', movesTo: null })
  }

  /** It was answered that it is there. */
  isThere(backup: SmallBackup): void {
    this.#known.set(keyOf(backup), { backup, pending: 'none', movesTo: null })
  }

  /** It was answered that it is gone. */
  isGone(backup: SmallBackup): void {
    this.#known.delete(keyOf(backup))
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
