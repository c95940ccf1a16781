/** The tools we compare with, each behind the same four steps. Compression is zstd everywhere. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { type BenchServer, clientCommand } from './server-process.ts'
import { measure, type Measured } from './measure.ts'

export type DataKind = 'image' | 'tree'

export interface Tool {
  readonly name: string
  /** Backs `source` up; `again` says that it was backed up before and must be read in full. */
  backup(source: string, kind: DataKind, again: boolean): Promise<Measured>
  /** Restores the newest backup of `source` to `target`, and says where it lies there. */
  restore(
    source: string,
    kind: DataKind,
    target: string,
  ): Promise<{ measured: Measured; at: string }>
}

/** Our own client against our own server. */
export function cairnTool(server: BenchServer): Tool {
  let backupTime = 1_700_000_000
  const archive = (kind: DataKind) => (kind === 'image' ? 'data.img' : 'data.pxar')
  return {
    name: 'cairn',
    backup: async (source, kind) => {
      const args = ['--backup-id', kind, '--backup-time', String(backupTime++)]
      return await measure(clientCommand('backup', `${archive(kind)}:${source}`, ...args), server)
    },
    restore: async (_source, kind, target) => {
      const at = join(target, archive(kind))
      const argv = clientCommand('restore', `host/${kind}`, archive(kind), at)
      return { measured: await measure(argv, server), at }
    },
  }
}

/** restic from Debian, local repository. */
export function resticTool(repository: string): Tool {
  const env = { RESTIC_PASSWORD: 'benchmark', RESTIC_REPOSITORY: repository }
  check('restic', ['init', '-q'], env)
  return {
    name: 'restic',
    backup: async (source, _kind, again) =>
      await measure(['restic', 'backup', '-q', ...(again ? ['--force'] : []), source], { env }),
    restore: async (source, _kind, target) => ({
      measured: await measure(['restic', 'restore', '-q', 'latest', '--target', target], { env }),
      at: join(target, source),
    }),
  }
}

/** Borg from Debian, local repository, chunker and compression as a user would choose for speed. */
export function borgTool(repository: string): Tool {
  const env = { BORG_REPO: repository, BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes' }
  check('borg', ['init', '--encryption', 'none'], env)
  let count = 0
  return {
    name: 'borg',
    backup: async (source, _kind, again) => {
      const options = ['--compression', 'zstd,1', ...(again ? ['--files-cache', 'disabled'] : [])]
      return await measure(['borg', 'create', ...options, `::a${count++}`, source], { env })
    },
    restore: async (source, _kind, target) => ({
      measured: await measure(['borg', 'extract', `::a${count - 1}`], { env, cwd: target }),
      at: join(target, source),
    }),
  }
}

function check(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): void {
  const { status, error, stderr } = spawnSync(program, args, { env: { ...process.env, ...env } })
  if (error !== undefined)
    throw new Error(`Cannot run ${program}: run bench/setup.ts first`, { cause: error })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${String(stderr)}`)
}
