import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmod, chown, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { lockFile } from '../base/fs/file-lock.ts'
import { nodeFileSystem } from '../base/fs/node-file-system.ts'
import { systemClock } from '../base/time/clock.ts'
import { ConfigFiles } from './config-files.ts'
import { ensurePlaces, resolvePaths } from './paths.ts'
import { addSection, findSection, sectionsOf } from './section-config.ts'
import { USER_FILE } from './section-file.ts'

async function open(): Promise<ConfigFiles> {
  const paths = resolvePaths({ data: await makeTemporaryFolder() })
  await ensurePlaces(nodeFileSystem, paths)
  return new ConfigFiles({ fs: nodeFileSystem, clock: systemClock, paths })
}

async function addUser(files: ConfigFiles, id: string, digest?: string): Promise<void> {
  await files.update(
    USER_FILE,
    (config) => addSection(config, { type: 'user', id, properties: new Map() }),
    { digest },
  )
}

async function ownerOf(path: string): Promise<number[]> {
  const { uid, gid } = await stat(path)
  return [uid, gid]
}

suite('ConfigFiles', () => {
  test('read() gives the same object until the file changes on disk, and sees that at once', async () => {
    const files = await open()
    const absent = await files.read(USER_FILE)
    assert.equal(absent.digest, createHash('sha256').digest('hex'))
    const path = files.pathOf(USER_FILE)
    await writeFile(path, 'user: a@pbs\n')
    const first = await files.read(USER_FILE)
    assert.equal(await files.read(USER_FILE).then(({ value }) => value === first.value), true)
    assert.equal(first.digest, createHash('sha256').update('user: a@pbs\n').digest('hex'))
    await writeFile(`${path}.new`, 'user: b@pbs\n')
    await rename(`${path}.new`, path)
    const second = await files.read(USER_FILE)
    assert.notEqual(findSection(second.value, 'user', 'b@pbs'), null)
  })

  test('update() writes new files with the mode of stock and keeps that of others', async () => {
    const files = await open()
    await addUser(files, 'a@pbs')
    assert.equal((await stat(files.pathOf(USER_FILE))).mode & 0o777, 0o640)
    await chmod(files.pathOf(USER_FILE), 0o600)
    await addUser(files, 'b@pbs')
    assert.equal((await stat(files.pathOf(USER_FILE))).mode & 0o777, 0o600)
    const lock = await stat(join(files.paths.config, '.user.lck'))
    assert.equal(lock.mode & 0o777, 0o660)
  })

  const skip = process.geteuid?.() === 0 ? false : 'needs root'
  test('update() as root gives new files to the owner of the folder, and leaves others', {
    skip,
  }, async () => {
    const files = await open()
    await chown(files.paths.config, 34, 34)
    await addUser(files, 'a@pbs')
    const path = files.pathOf(USER_FILE)
    assert.deepEqual(await ownerOf(path), [34, 34])
    assert.deepEqual(await ownerOf(join(files.paths.config, '.user.lck')), [34, 34])
    await chown(path, 0, 34)
    await addUser(files, 'b@pbs')
    assert.deepEqual(await ownerOf(path), [0, 34])
  })

  test('update() at once from several sides loses nothing', async () => {
    const files = await open()
    const other = new ConfigFiles({ fs: nodeFileSystem, clock: systemClock, paths: files.paths })
    const ids = Array.from({ length: 10 }, (_none, index) => `u${index}@pbs`)
    await Promise.all(ids.map((id, index) => addUser(index % 2 === 0 ? files : other, id)))
    const { value } = await files.read(USER_FILE)
    assert.deepEqual(
      sectionsOf(value)
        .map(({ id }) => id)
        .toSorted(),
      ids,
    )
  })

  test('update() refuses when the digest is not that of the file', async () => {
    const files = await open()
    await addUser(files, 'a@pbs')
    const { digest } = await files.read(USER_FILE)
    await addUser(files, 'b@pbs', digest)
    await assert.rejects(addUser(files, 'c@pbs', digest), {
      code: 'CONFIG_MODIFIED',
      message: 'detected modified configuration - file changed by other user? Try again.',
    })
    assert.equal((await readFile(files.pathOf(USER_FILE), 'utf8')).includes('c@pbs'), false)
  })

  test('update() gives up after 10 s while somebody else holds the lock file', async () => {
    const files = await open()
    let waitedMs = 0
    const clock = {
      ...systemClock,
      monotonic: () => waitedMs,
      sleep: async (delayMs: number) => {
        waitedMs += delayMs
      },
    }
    const waiting = new ConfigFiles({ fs: nodeFileSystem, clock, paths: files.paths })
    await using _held = await lockFile(nodeFileSystem, join(files.paths.config, '.user.lck'), {
      kind: 'exclusive',
      timeoutMs: 0,
      clock: systemClock,
    })
    await assert.rejects(addUser(waiting, 'a@pbs'), { code: 'LOCK_BUSY' })
    assert.ok(waitedMs >= 10_000 && waitedMs < 11_000, `waited ${waitedMs} ms`)
  })

  test('update() refuses a file that is not UTF-8, and names the line', async () => {
    const files = await open()
    const text = 'user: a@pbs\n\tcomment caf\xe9\n'
    await writeFile(files.pathOf(USER_FILE), text, 'latin1')
    const { value } = await files.read(USER_FILE)
    assert.notEqual(findSection(value, 'user', 'a@pbs'), null)
    await assert.rejects(addUser(files, 'b@pbs'), {
      message: "Cannot read configuration file 'user.cfg': line 2 is not UTF-8",
    })
    assert.equal(await readFile(files.pathOf(USER_FILE), 'latin1'), text)
  })

  test('an error in update() leaves the file as it was', async () => {
    const files = await open()
    await addUser(files, 'a@pbs')
    const failing = files.update(USER_FILE, () => {
      throw new Error('no')
    })
    await assert.rejects(failing, { message: 'no' })
    assert.equal(await readFile(files.pathOf(USER_FILE), 'utf8'), 'user: a@pbs\n')
  })
})

suite('ensurePlaces()', () => {
  const skip = process.geteuid?.() === 0 ? false : 'needs root'
  test("makes what is missing the configuration's owner's, also below folders of root", {
    skip,
  }, async () => {
    const folder = await makeTemporaryFolder()
    const at = (name: string): string => join(folder, name)
    const options = { configDir: at('etc'), logDir: at('var/log'), runDir: at('run') }
    const paths = resolvePaths({ ...options, data: at('data'), stateDir: at('lib') })
    await mkdir(paths.config)
    await chown(paths.config, 34, 34)
    await ensurePlaces(nodeFileSystem, paths)
    const { state, log, tasks, run, locks } = paths
    for (const path of [state, log, tasks, run, locks]) {
      assert.deepEqual(await ownerOf(path), [34, 34], path)
    }
  })
})

suite('resolvePaths()', () => {
  test('puts everything below the data folder', () => {
    const paths = resolvePaths({ environmentData: 'x' }, '/w')
    assert.equal(paths.config, '/w/x/config')
    assert.equal(paths.tasks, '/w/x/log/tasks')
    assert.equal(paths.locks, '/w/x/run/locks')
    assert.equal(resolvePaths({ data: 'y', environmentData: 'x' }, '/w').data, '/w/y')
    assert.equal(resolvePaths({ data: 'y', logDir: '/l' }, '/w').tasks, '/l/tasks')
  })

  test('takes the places of stock with its configuration folder', () => {
    const paths = resolvePaths({ configDir: '/etc/proxmox-backup/', runDir: '/r' }, '/w')
    assert.equal(paths.state, '/var/lib/proxmox-backup')
    assert.equal(paths.tasks, '/var/log/proxmox-backup/tasks')
    assert.equal(paths.run, '/r')
  })
})
