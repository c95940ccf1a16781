/**
 * Which recorded call of the stock client is compared where. Those of `WITHOUT_SERVER` and
 * `LISTINGS` are compared in `client-output.test.ts`, `STEPS` in `client-golden.test.ts`.
 */

/** Recorded calls that end before a server is asked. */
export const WITHOUT_SERVER: readonly string[] = [
  'backup-bad-chunk-size',
  'backup-bad-crypt-mode',
  'backup-both-dev',
  'backup-empty-image',
  'backup-folder-as-image',
  'backup-key-and-none',
  'backup-missing-key',
  'backup-not-a-folder',
  'backup-nothing',
  'backup-twice',
  'error-bad-repository',
  'error-both-addresses',
  'error-components-no-datastore',
  'error-namespace-root',
  'error-no-password',
  'error-no-repository',
  'error-no-server',
  'error-no-token-secret',
  'key-change-passphrase-no-tty',
  'key-create-none',
  'key-create-again',
  'key-create-no-tty',
  'key-create-none-hint',
  'key-show-default-missing',
  'key-show-missing',
  'key-show-pbkdf2.json',
  'key-show-pbkdf2.json-pretty',
  'key-show-pbkdf2.text',
  'key-show-plain.json',
  'key-show-plain.json-pretty',
  'key-show-plain.text',
  'key-show-scrypt.json',
  'key-show-scrypt.json-pretty',
  'key-show-scrypt.text',
  'version-no-repository.text',
  'version-no-repository.json',
  'version-no-repository.json-pretty',
]

/** Calls whose answer is that of another recording, `<stem>.json`. */
export const LISTINGS: readonly string[] = [
  'files-encrypted',
  'list',
  'list-empty',
  'list-ns',
  'namespace-list',
  'namespace-list-below',
  'notes-show',
  'notes-show-none',
  'protected-show',
  'protected-show-not',
  'snapshot-files',
  'snapshot-list',
  'snapshot-list-group',
  'status',
  'task-list',
  'version',
]

/** Whether the call `name` is one of a list: `list` stands for `list.json`, `list.text`, … */
export function isListing(name: string): boolean {
  return LISTINGS.includes(name.split('.', 1)[0] ?? '')
}

/** What a restore must have left in its target: a file of a snapshot, or these names. */
export interface RestoredContent {
  readonly snapshot?: string
  readonly file?: string
  readonly names?: readonly string[]
}

/** One call in the order that they are made in. */
export interface Step {
  readonly name: string
  /** Calls that make the state which another recording left. */
  readonly before?: readonly string[]
  /** What the person answers. */
  readonly answer?: string
  /** The listing in `datastore/trees` that the restored folder must have. */
  readonly tree?: string
  readonly restored?: RestoredContent
  /** The file that standard output must be. */
  readonly content?: string
  /** Only root can make what the call makes. */
  readonly needsRoot?: boolean
}

const OF_SHAPE = ['json', 'json-pretty', 'text'] as const

function shapes(stem: string): readonly Step[] {
  return OF_SHAPE.map((shape) => ({ name: `${stem}.${shape}` }))
}

function steps(...names: readonly string[]): readonly Step[] {
  return names.map((name) => ({ name }))
}

/** What is asked of a datastore that nobody changes. */
const READING: readonly Step[] = [
  ...steps('abbreviated-command', 'by-components', 'list.unknown-format', 'list-own'),
  ...steps('password-file', 'task-list-none', 'task-log-ok', 'task-log-failed'),
  ...['list', 'list-ns', 'list-empty', 'snapshot-list', 'snapshot-list-group'].flatMap(shapes),
  ...['snapshot-files', 'files-encrypted', 'notes-show', 'notes-show-none'].flatMap(shapes),
  ...['protected-show', 'protected-show-not', 'namespace-list'].flatMap(shapes),
  ...['namespace-list-below', 'server-identity'].flatMap(shapes),
  ...steps('error-bad-fingerprint', 'error-no-fingerprint', 'error-bad-password'),
  ...steps('error-bad-token-secret', 'error-no-datastore', 'error-no-host', 'error-no-namespace'),
  ...steps('error-second-factor', 'error-unknown-realm', 'error-restore-other-owner'),
  ...steps('error-forget-missing', 'error-forget-other-owner', 'error-protected-forget'),
  ...steps('error-log-twice', 'login', 'logout'),
]

const RESTORING: readonly Step[] = [
  ...steps('restore-bad-snapshot', 'restore-no-archive', 'restore-no-group', 'restore-no-pxar'),
  ...steps('restore-no-snapshot', 'restore-no-type', 'restore-log', 'restore-damaged'),
  ...steps('restore-encrypted-no-key', 'restore-encrypted-tree-no-key', 'restore-missing-key'),
  ...steps('restore-encrypted-wrong-key', 'restore-signed-without-key'),
  ...steps('restore-signed-wrong-key', 'restore-existing-image'),
  ...steps('restore-manifest', 'restore-rsa-key'),
  { name: 'restore-blob', content: 'images/qemu-server.conf' },
  { name: 'restore-full-name', content: 'images/qemu-server.conf' },
  { name: 'restore-encrypted', content: 'images/fw.conf' },
  { name: 'restore-signed', content: 'images/fw.conf' },
  {
    name: 'restore-image',
    restored: { snapshot: 'vm/100/2026-01-02T00:00:00Z', file: 'drive-scsi0.img.fidx' },
  },
  { name: 'restore-existing-file', needsRoot: true },
  { name: 'restore-tree', needsRoot: true, tree: 'source-2.jsonl' },
  {
    name: 'restore-pattern',
    needsRoot: true,
    restored: { names: ['text', 'text/short.txt'] },
  },
  ...steps('restore-split', 'restore-split-by-mpxar', 'restore-split-to-pipe'),
  ...steps('catalog-dump', 'catalog-dump-encrypted', 'catalog-dump-images', 'catalog-dump-split'),
]

const BACKING_UP: readonly Step[] = [
  ...steps('backup-first', 'backup-incremental', 'backup-namespace', 'backup-dry-run'),
  ...steps('backup-encrypted', 'backup-encrypted-incremental', 'backup-other-key'),
  ...steps('backup-plain-after-encrypted', 'backup-sign-only', 'backup-master-key'),
  ...steps('backup-protected-key', 'backup-protected-key-wrong-password'),
  ...steps('backup-protected-key-no-password', 'backup-chunk-size', 'backup-excludes'),
  ...steps('backup-rate', 'backup-older', 'backup-no-namespace', 'backup-no-datastore'),
  ...steps('error-other-owner', 'backup-metadata-first', 'backup-metadata-second'),
  ...steps('backup-metadata-after-data', 'backup-metadata-after-legacy'),
]

const CHANGING: readonly Step[] = [
  {
    name: 'upload-log',
    before: ['backup host.conf:images/fw.conf --backup-id tree --backup-time 1767225600'],
  },
  ...steps('notes-update', 'protected-update', 'error-change-owner', 'change-owner'),
  { name: 'group-forget-no', answer: 'n' },
  { name: 'group-forget-missing', answer: 'y' },
  {
    name: 'group-forget',
    before: ['backup host.conf:images/fw.conf --backup-id cli-split --backup-time 1777593600'],
    answer: 'y',
  },
  ...steps('forget', 'namespace-create', 'namespace-create-again', 'namespace-delete'),
  ...steps('error-namespace-delete', 'group-move', 'garbage-collect'),
  {
    name: 'prune',
    before: [1_777_593_600, 1_777_680_000, 1_777_766_400].map(
      (time) => `backup host.conf:images/fw.conf --backup-id cli-split --backup-time ${time}`,
    ),
  },
  ...steps('prune-no-keep'),
  ...['prune-dry-run', 'prune-dry-run-root', 'prune-keep-all'].flatMap(shapes),
  ...steps('prune-quiet'),
]

const OTHER: readonly Step[] = [
  ...steps('benchmark', 'benchmark-local.json', 'key-import-master-pubkey'),
  ...steps('key-paperkey-html', 'key-paperkey-text'),
  ...shapes('key-show-master-pubkey'),
]

/** All calls that are made to the server, in order. */
export const STEPS: readonly Step[] = [
  ...READING,
  ...RESTORING,
  ...BACKING_UP,
  ...CHANGING,
  ...OTHER,
]
