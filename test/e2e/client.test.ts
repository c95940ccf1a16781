/** Both programs as processes: backups and restores over the wire, and every other client command. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { listDisk } from '../support/tree-listing.ts'
import { type MadeCall, makeCall } from '../support/client-call.ts'
import { giveCertificate } from '../support/cairn-data.ts'
import { type CairnProcess, startCairn } from '../support/cairn-process.ts'
import { unpackFixture } from '../support/fixture-files.ts'
import { goldenKeyFile } from '../support/golden-datastore.ts'
import { type ClientRun, type ClientRunOptions, runClient } from '../support/run-client.ts'
import { makeTemporaryFolder } from '../support/temporary-folder.ts'

/** On a disk: file systems in memory do not keep all attributes. */
const folder = await makeTemporaryFolder(null, { onDisk: true })
const serverFolder = await makeTemporaryFolder()
/** What only root can give to a restored tree. */
const AS_USER =
  process.getuid?.() === 0
    ? ''
    : ' --ignore-ownership --ignore-acls --ignore-xattrs --ignore-extract-device-errors'
const MIB = 1024 * 1024

suite('cairn-client against cairn', () => {
  const previous = process.cwd()
  let server: CairnProcess
  let environment: Record<string, string>

  before(async () => {
    await giveCertificate(join(serverFolder, 'config'))
    server = await startCairn(serverFolder)
    const home = join(folder, 'home')
    environment = { HOME: home, XDG_RUNTIME_DIR: join(home, 'run'), ...server.environment }
    mkdirSync(join(folder, 'home/run'), { recursive: true, mode: 0o700 })
    process.chdir(folder)
    unpackFixture('images', join(folder, 'images'))
    unpackFixture('small', join(folder, 'small'))
    mkdirSync(join(folder, 'keys'))
    writeFileSync(join(folder, 'keys/plain.json'), goldenKeyFile('plain.json'))
    writeFileSync(join(folder, 'keys/other.json'), goldenKeyFile('master-used.json'))
  })
  after(async () => {
    process.chdir(previous)
    await server[Symbol.asyncDispose]()
  })

  async function client(
    line: string,
    options: Partial<ClientRunOptions> & { readonly fails?: boolean } = {},
  ): Promise<ClientRun> {
    const { fails = false, ...rest } = options
    // With the ticket of the first test: checking a password is slow on purpose.
    const { PBS_PASSWORD: _, ...byTicket } = environment
    const run = await runClient(line.split(' '), {
      cwd: folder,
      ...rest,
      environment: { ...byTicket, ...rest.environment },
    })
    assert.equal(run.status, fails ? 255 : 0, `${line}\n${run.stderr}${server.output()}`)
    return run
  }

  /**
   * The same within this process, for what other tests have seen to work as a program: a start
   * costs more than all that such a call does.
   */
  async function call(
    line: string,
    options: {
      readonly environment?: Readonly<Record<string, string>>
      readonly answer?: string
      readonly fails?: boolean
    } = {},
  ): Promise<MadeCall> {
    const { fails = false, answer = '' } = options
    const { PBS_PASSWORD: _, ...byTicket } = environment
    const made = await makeCall(line.split(' '), {
      environment: { LANG: 'C.UTF-8', ...byTicket, ...options.environment },
      answer,
    })
    assert.equal(made.status, fails ? 255 : 0, `${line}\n${made.stderr}${server.output()}`)
    return made
  }

  const at = (name: string) => join(folder, name)
  const sameFile = (left: string, right: string) => assert.equal(sumOf(at(left)), sumOf(at(right)))

  test('logs in, keeps the ticket, and forgets it', async () => {
    await client('login', { environment })
    await client('list')
    await client('logout')
    const refused = await call('list', { fails: true })
    assert.match(refused.stderr, /error building client for repository .* - no password input/)
    const wrong = { environment: { PBS_PASSWORD: 'wrong' }, fails: true }
    assert.match((await call('list', wrong)).stderr, /^Error: permission check failed\.\n$/)
    await call('login', { environment })
  })

  test('image and blobs: first, unchanged, changed, restored byte for byte', async () => {
    const specs =
      'disk.img:images/unaligned.img vm.conf:images/qemu-server.conf job.log:images/job.log'
    const first = await client(
      `backup ${specs} --backup-type vm --backup-id 100 --backup-time 1767225600`,
    )
    assert.match(first.stderr, /^Starting backup: vm\/100\/2026-01-01T00:00:00Z\n/)
    assert.match(first.stderr, /\nNo previous manifest available\.\n/)
    assert.match(first.stderr, /\ndisk\.img: had to backup 9\.012 MiB of 9\.012 MiB \(compressed /)
    const second = await call(
      `backup ${specs} --backup-type vm --backup-id 100 --backup-time 1767312000`,
    )
    assert.match(second.stderr, /disk\.img: had to backup 0 B of 9\.012 MiB \(compressed 0 B\)/)
    assert.match(
      second.stderr,
      /disk\.img: backup was done incrementally, reused 9\.012 MiB \(100\.0%\)/,
    )
    const third = await call(
      'backup disk.img:images/unaligned-2.img --backup-type vm --backup-id 100 --backup-time 1767398400',
    )
    assert.match(third.stderr, /disk\.img: had to backup 1\.012 MiB of 9\.012 MiB/)

    await client('restore vm/100/2026-01-01T00:00:00Z disk.img first.img')
    sameFile('first.img', 'images/unaligned.img')
    const newest = await call('restore vm/100 disk.img newest.img')
    sameFile('newest.img', 'images/unaligned-2.img')
    assert.match(
      newest.stderr,
      /^restore complete \(9\.012 MiB processed in .*, average .*\/s\)\n$/,
    )
    const piped = await client('restore vm/100/2026-01-01T00:00:00Z disk.img -')
    assert.equal(sumOf(piped.stdout), sumOf(at('images/unaligned.img')))
    const blob = await call('restore vm/100/2026-01-01T00:00:00Z vm.conf -')
    assert.equal(sumOf(Buffer.from(blob.stdout)), sumOf(at('images/qemu-server.conf')))
    const manifest = await call('restore vm/100/2026-01-02T00:00:00Z index.json -')
    const { files } = JSON.parse(manifest.stdout)
    assert.deepEqual(
      files.map((file: { filename: string }) => file.filename),
      ['disk.img.fidx', 'vm.conf.blob', 'job.log.blob'],
    )
    const twice = await call('restore vm/100 disk.img newest.img', { fails: true })
    assert.equal(
      twice.stderr,
      'Error: unable to create target file "newest.img" - File exists (os error 17)\n',
    )
  })

  const needsRoot = process.getuid?.() === 0 ? false : 'only root can restore owners and devices'
  test('tree: first, unchanged, changed, restored with all that it has', {
    skip: needsRoot,
  }, async () => {
    const first = await client('backup root.pxar:small --backup-id tree --backup-time 1767225600')
    assert.match(first.stderr, /Uploaded backup catalog \(/)
    const second = await call('backup root.pxar:small --backup-id tree --backup-time 1767312000')
    assert.match(second.stderr, /root\.pxar: had to backup 0 B of /)
    writeFileSync(at('small/new-file'), 'new')
    await call('backup root.pxar:small --backup-id tree --backup-time 1767398400')
    await client('restore host/tree root.pxar restored')
    assert.equal(readFileSync(at('restored/new-file'), 'utf8'), 'new')
    const expected = [...listDisk(at('small'))].filter(([path]) => !isExcluded(path))
    assert.deepEqual([...listDisk(at('restored'))], expected)
    await call('restore host/tree/2026-01-01T00:00:00Z root.pxar part --pattern text/short.txt')
    assert.deepEqual(readdirSync(at('part/text')), ['short.txt'])
    const raw = await client('restore host/tree root.pxar -')
    assert.ok(raw.stdout.length > MIB)
  })

  test('encrypted: restored with the key only', async () => {
    const specs = 'disk.img:images/hard.img root.pxar:small host.conf:images/fw.conf'
    const key = '--keyfile keys/plain.json'
    await call(`backup ${specs} ${key} --backup-id enc --backup-time 1767225600`)
    const second = await call(`backup ${specs} ${key} --backup-id enc --backup-time 1767312000`)
    assert.match(second.stderr, /Encryption key fingerprint: 19:fa:be:53:73:84:6e:00/)
    assert.match(second.stderr, /disk\.img: had to backup 0 B of/)
    await call(`restore host/enc disk.img enc.img ${key}`)
    sameFile('enc.img', 'images/hard.img')
    await call(`restore host/enc root.pxar enc-tree ${key}${AS_USER}`)
    sameFile('enc-tree/text/short.txt', 'small/text/short.txt')
    const without = await call('restore host/enc disk.img no.img', { fails: true })
    assert.equal(
      without.stderr,
      'Error: missing key - manifest was created with key 19:fa:be:53:73:84:6e:00\n',
    )
    const other = await call('restore host/enc disk.img no.img --keyfile keys/other.json', {
      fails: true,
    })
    assert.match(
      other.stderr,
      /^Error: wrong key - unable to verify signature since manifest's key/,
    )
    const signed = '--crypt-mode sign-only --keyfile keys/plain.json'
    await call(
      `backup host.conf:images/fw.conf ${signed} --backup-id signed --backup-time 1767225600`,
    )
    const blob = await call('restore host/signed host.conf - --keyfile keys/plain.json')
    assert.equal(sumOf(Buffer.from(blob.stdout)), sumOf(at('images/fw.conf')))
  })

  test('a pipe is an image of unknown size', async () => {
    spawnSync('mkfifo', [at('pipe')])
    const writer = spawn('sh', ['-c', 'cat images/aligned.img > pipe'], { cwd: folder })
    await client('backup disk.img:pipe --backup-id pipe --backup-time 1767225600')
    writer.kill()
    await client('restore host/pipe disk.img from-pipe.img')
    sameFile('from-pipe.img', 'images/aligned.img')
  })

  test('a sparse image stays sparse', async () => {
    await using file = await open(at('sparse.img'), 'w')
    await file.truncate(64 * MIB)
    await file.write(Buffer.from('here'), 0, 4, 33 * MIB)
    const run = await client(
      'backup disk.img:sparse.img --backup-id sparse --backup-time 1767225600',
    )
    assert.match(run.stderr, /had to backup 8 MiB of 64 MiB/)
    await client('restore host/sparse disk.img sparse-2.img')
    sameFile('sparse-2.img', 'sparse.img')
    await using restored = await open(at('sparse-2.img'))
    const { blocks } = await restored.stat()
    assert.ok(blocks * 512 <= 8 * MIB, `${blocks} blocks`)
  })

  test('a dry run uploads nothing', async () => {
    const run = await call('backup disk.img:images/hard.img --backup-id dry --dry-run')
    assert.match(run.stderr, /Would upload image 'images\/hard.img' to/)
    assert.match(run.stderr, /dry-run: no upload happened\n$/)
    const listed = await call('snapshot list host/dry --output-format json')
    assert.equal(listed.stdout, '[]\n')
  })

  test('lists groups, snapshots, files; notes, protection, logs', async () => {
    const groups = await call('list --output-format json')
    const ids = JSON.parse(groups.stdout).map(
      (group: { 'backup-id': string }) => group['backup-id'],
    )
    assert.ok(ids.includes('100') && ids.includes('enc'), ids.join())
    const snapshot = 'vm/100/2026-01-01T00:00:00Z'
    const text = await call('snapshot list vm/100')
    assert.match(
      text.stdout,
      /│ vm\/100\/2026-01-01T00:00:00Z │ .* MiB │ disk.img index.json job.log vm.conf │/,
    )
    const files = await call(`files ${snapshot} --output-format json`)
    assert.equal(JSON.parse(files.stdout).length, 4)
    await call(`snapshot notes update ${snapshot} hello`)
    const notes = await call(`snapshot notes show ${snapshot}`)
    assert.equal(notes.stdout, 'hello\n')
    await call(`snapshot protected update ${snapshot} true`)
    const shown = await call(`snapshot protected show ${snapshot}`)
    assert.equal(shown.stdout, 'true\n')
    const refused = await call(`forget ${snapshot}`, { fails: true })
    assert.match(refused.stderr, /cannot remove protected snapshot/)
    await call(`snapshot protected update ${snapshot} false`)
    const log = await call(`snapshot upload-log ${snapshot} images/job.log`)
    assert.equal(log.stdout, 'Result: {\n  "data": null\n}\n')
    await call(`snapshot forget ${snapshot}`)
    const left = await call('snapshots vm/100 --output-format json')
    assert.equal(JSON.parse(left.stdout).length, 2)
  })

  test('namespaces, backups in them, and forgetting groups', async () => {
    await call('namespace create a')
    await call('namespace create a/b')
    const listed = await call('namespace list')
    assert.equal(listed.stdout, 'a\na/b\n')
    const run = await call(
      'backup c.conf:images/fw.conf --ns a/b --backup-id x --backup-time 1767225600',
    )
    assert.match(run.stderr, /^Starting backup: \[a\/b\]:host\/x\/2026/)
    const inside = await call('restore host/x c.conf - --ns a/b')
    assert.equal(sumOf(Buffer.from(inside.stdout)), sumOf(at('images/fw.conf')))
    const refused = await call('namespace delete a/b', { fails: true })
    assert.match(refused.stderr, /only partially deleted due to existing groups/)
    const no = await call('group forget host/x --ns a/b', { answer: 'n' })
    assert.equal(no.stdout, 'Delete group "host/x" with 1 snapshot(s)? [y/N]: Abort.\n')
    const yes = await call('group forget host/x --ns a/b', { answer: 'y' })
    assert.match(yes.stdout, /Successfully deleted group!\n$/)
    await call('namespace delete a/b')
    await call('namespace delete a')
  })

  test('status, version, tasks', async () => {
    const status = await call('status --output-format json')
    assert.ok(JSON.parse(status.stdout).total > 0)
    const version = await call('version')
    assert.match(version.stdout, /^client version: .*\nserver version: 4\.2\.3\n$/)
    const tasks = await call('task list --all --output-format json')
    const [task] = JSON.parse(tasks.stdout)
    assert.match(task.upid, /^UPID:/)
    const log = await call(`task log ${task.upid}`)
    assert.match(log.stdout, /TASK OK\n$/)
    await call(`task stop ${task.upid}`)
  })

  test('garbage collection, followed to its end', async () => {
    await call('backup disk.img:images/unaligned.img --backup-id kept --backup-time 1767225600')
    const followed = await call('garbage-collect')
    assert.match(followed.stdout, /^starting garbage collection on store main\n/)
    assert.match(followed.stdout, /\nOn-Disk chunks: [1-9]\d*\n[^]*\nTASK OK\n$/)
    const { stdout } = await call('garbage-collect --output-format json')
    assert.match(stdout, /^"UPID:[^"]+:garbage_collection:main:admin@pbs:"\n$/)
    // Nothing that a snapshot needs went.
    await call('restore host/kept/2026-01-01T00:00:00Z disk.img collected.img')
    sameFile('collected.img', 'images/unaligned.img')
  })

  test('clear errors of the server', async () => {
    const rows: readonly (readonly [line: string, error: string])[] = [
      [
        'backup a.conf:images/fw.conf --backup-id enc --backup-time 1767225600',
        'backup timestamp is older than last backup.',
      ],
      ['backup a.conf:images/fw.conf --backup-id x --ns nothere', 'namespace not found'],
      ['restore vm/999 index.json -', 'backup group vm/999 does not contain any snapshots.'],
      [
        'restore vm/100/2030-01-01T00:00:00Z index.json -',
        'snapshot vm/100/2030-01-01T00:00:00Z does not exist.',
      ],
      ['restore vm/100 nothere.img -', "manifest does not contain file 'nothere.img.fidx'"],
      ['restore vm/100 nothere.pxar x', 'archive not found in manifest'],
    ]
    for (const [line, error] of rows) {
      const run = await call(line, { fails: true })
      assert.ok(run.stderr.endsWith(`Error: ${error}\n`), run.stderr)
    }
  })
})

/** What the tree's own `.pxarexclude` leaves out. */
function isExcluded(path: string): boolean {
  return /excluded\/(a\.tmp|cache|cache\/x|sub\/b\.tmp)$/.test(path)
}

function sumOf(source: string | Buffer): string {
  const bytes = typeof source === 'string' ? readFileSync(source) : source
  return createHash('sha256').update(bytes).digest('hex')
}
