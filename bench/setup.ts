/** Installs the tools that the benchmarks compare with (Debian, root). */
import { spawnSync } from 'node:child_process'

const PACKAGES = ['restic', 'borgbackup', 'diffutils', 'iproute2']

for (const args of [
  ['update', '-qq'],
  ['install', '-y', '-qq', '--no-install-recommends', ...PACKAGES],
]) {
  const { status } = spawnSync('apt-get', args, {
    stdio: 'inherit',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
  if (status !== 0) process.exit(1)
}
