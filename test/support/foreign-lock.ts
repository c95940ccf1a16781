/** Locks taken by another program in another process, as stock PBS would take them. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/**
 * Tries the lock in argv and prints `held` or `busy`; a held lock is kept until stdin ends.
 * `record` is `fcntl(F_SETLK)`, the classic lock of a process.
 */
const SCRIPT = `
import fcntl, os, sys
path, scope, mode = sys.argv[1:4]
fd = os.open(path, os.O_RDWR)
kind = fcntl.LOCK_EX if mode == 'exclusive' else fcntl.LOCK_SH
try:
    if scope == 'record':
        fcntl.lockf(fd, kind | fcntl.LOCK_NB)
    else:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
except OSError:
    print('busy', flush=True)
    sys.exit(0)
print('held', flush=True)
sys.stdin.read()
`

export type LockScope = 'record' | 'flock'
export type LockMode = 'shared' | 'exclusive'

/** Why no other program can be asked, for `skip`; false if one can. */
export function foreignLockMissing(): string | false {
  const { status } = spawnSync('python3', ['-c', 'import fcntl'], { stdio: 'ignore' })
  return status === 0 ? false : 'needs python3 with fcntl'
}

export class ForeignLock implements AsyncDisposable {
  readonly isHeld: boolean
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, isHeld: boolean) {
    this.#child = child
    this.isHeld = isHeld
  }

  /** Asks another process to lock `path`; `isHeld` says whether it got the lock. */
  static async try(path: string, scope: LockScope, mode: LockMode): Promise<ForeignLock> {
    const child = spawn('python3', ['-c', SCRIPT, path, scope, mode], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    for await (const line of createInterface({ input: child.stdout })) {
      return new ForeignLock(child, line === 'held')
    }
    throw new Error('the other process said nothing')
  }

  /** Ends the other process, and with it its lock. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#child.stdin?.end()
    await exit
  }
}
