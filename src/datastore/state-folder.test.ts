import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { makeTemporaryFolder } from '../../test/support/temporary-folder.ts'
import { nodeFileSystem as fs } from '../base/fs/node-file-system.ts'
import { systemClock as clock } from '../base/time/clock.ts'
import { claimStateFolder, removeStateFolders } from './state-folder.ts'

class World {
  readonly root: string

  constructor(root: string) {
    this.root = root
  }

  static async open(context: TestContext): Promise<World> {
    const world = new World(await makeTemporaryFolder(context))
    for (const name of ['a', 'b']) world.makeStore(name)
    return world
  }

  makeStore(name: string): void {
    mkdirSync(join(this.root, name, '.chunks'), { recursive: true })
    writeFileSync(join(this.root, name, '.lock'), '')
  }

  /** Claims the state folder of the store `store`, which is named `name` now. */
  async claim(name: string, store: string) {
    return await claimStateFolder(fs, { folder: this.folder(name), path: this.path(store), clock })
  }

  /** Opens, remembers `memory` if it is given, closes; what was remembered before. */
  async visit(name: string, store: string, memory?: string): Promise<string | null> {
    const { folder, handle } = await this.claim(name, store)
    const path = join(folder, 'memory')
    const before = existsSync(path) ? readFileSync(path, 'utf8') : null
    if (memory !== undefined) writeFileSync(path, memory)
    await handle.close()
    return before
  }

  folder(name: string): string {
    return join(this.root, 'state', 'datastores', name)
  }

  path(store: string): string {
    return join(this.root, store)
  }

  /** Without those set aside. */
  get names(): string[] {
    return readdirSync(join(this.root, 'state/datastores')).filter((name) => !name.startsWith('.'))
  }
}

suite('state folders', () => {
  test('a store keeps its folder; another has its own', async (context) => {
    const world = await World.open(context)
    assert.equal(await world.visit('one', 'a', 'of a'), null)
    assert.equal(await world.visit('two', 'b'), null)
    assert.equal(await world.visit('one', 'a'), 'of a')
    assert.deepEqual(world.names, ['one', 'two'])
  })

  test('a store that was renamed takes it along', async (context) => {
    const world = await World.open(context)
    await world.visit('one', 'a', 'of a')
    assert.equal(await world.visit('other', 'a'), 'of a')
    assert.deepEqual(world.names, ['other'])
  })

  test('two stores that exchange their names, too', async (context) => {
    const world = await World.open(context)
    await world.visit('one', 'a', 'of a')
    await world.visit('two', 'b', 'of b')
    assert.equal(await world.visit('one', 'b'), 'of b')
    assert.equal(await world.visit('two', 'a'), 'of a')
    assert.equal(await world.visit('one', 'b'), 'of b')
    assert.deepEqual(world.names, ['one', 'two'])
  })

  test('what is remembered of another store is not believed', async (context) => {
    const world = await World.open(context)
    await world.visit('one', 'a', 'of a')
    assert.equal(await world.visit('one', 'b'), null)
    assert.equal(await world.visit('again', 'a'), 'of a')
  })

  test('who has it open goes on under the old name', async (context) => {
    const world = await World.open(context)
    await world.visit('one', 'a', 'of a')
    const { folder, handle } = await world.claim('one', 'a')
    assert.equal(folder, world.folder('one'))
    assert.equal(await world.visit('other', 'a'), 'of a')
    assert.equal(await world.visit('one', 'b'), null)
    assert.equal(await world.visit('one', 'a'), 'of a')
    await handle.close()
    assert.equal(await world.visit('other', 'a'), 'of a')
    assert.deepEqual(world.names, ['other'])
  })

  test('a folder without a store in it is taken over; it is from before', async (context) => {
    const world = await World.open(context)
    mkdirSync(world.folder('one'), { recursive: true })
    writeFileSync(join(world.folder('one'), 'memory'), 'old')
    writeFileSync(world.folder('a file'), '')
    assert.equal(await world.visit('one', 'a'), 'old')
    assert.equal(await world.visit('other', 'a'), 'old')
  })

  test('a store at another place, or with a new lock file, is the same', async (context) => {
    const world = await World.open(context)
    await world.visit('one', 'a', 'of a')
    renameSync(world.path('a'), world.path('moved'))
    assert.equal(await world.visit('one', 'moved'), 'of a')
    rmSync(join(world.root, 'moved/.lock'))
    writeFileSync(join(world.root, 'keeps-the-inode'), '')
    writeFileSync(join(world.root, 'moved/.lock'), '')
    assert.equal(await world.visit('one', 'moved'), 'of a')
  })

  test('a removed store is forgotten, the others are not', async (context) => {
    const world = await World.open(context)
    await world.visit('one', 'a', 'of a')
    await world.visit('two', 'b', 'of b')
    await removeStateFolders(fs, { folder: world.folder('other'), path: world.path('a') })
    assert.deepEqual(world.names, ['two'])
    await removeStateFolders(fs, { folder: world.folder('two'), path: world.path('a') })
    assert.deepEqual(world.names, ['two'])
  })
})
