/** Errors of the client; where stock's client has a text for the case, it is that text (spec cli 2-4). */
import { defineErrors } from '../base/define-errors.ts'
import type { ErrorKind } from '../base/errors.ts'

interface Reason {
  readonly reason: string
}
interface PathReason extends Reason {
  readonly path: string
}
interface Path {
  readonly path: string
}
interface Text {
  readonly text: string
}
interface Name {
  readonly name: string
}

function invalid(message: string) {
  return { kind: 'Invalid' as ErrorKind, message: () => message }
}

export const errors = defineErrors({
  // Repository and credentials
  REPOSITORY_INVALID: {
    kind: 'Invalid',
    message: ({ text }: Text) => `unable to parse repository url '${text}'`,
  },
  REPOSITORY_MISSING: invalid('unable to get (default) repository'),
  REPOSITORY_AND_COMPONENTS: invalid(
    '--repository and --server/--port/--datastore/--auth-id are mutually exclusive',
  ),
  DATASTORE_MISSING: invalid('--datastore is required when not using --repository'),
  TOKEN_SECRET_MISSING: { kind: 'Denied', message: () => 'API token secret must be provided!' },
  CLIENT_BUILD_FAILED: {
    kind: 'Denied',
    message: ({ repository, reason }: Reason & { readonly repository: string }) =>
      `error building client for repository ${repository} - ${reason}`,
  },
  SECRET_UNREADABLE: { kind: 'Invalid', message: ({ reason }: Reason) => reason },
  NO_PASSWORD_INPUT: { kind: 'Denied', message: () => 'no password input mechanism available' },

  // Answers
  CONNECT_FAILED: {
    kind: 'Io',
    retryable: true,
    message: () => 'client error (Connect)',
  },
  /** The server's own sentence, verbatim. */
  SERVER_REFUSED: {
    kind: 'Protocol',
    message: ({ text }: Text & { readonly status: number }) => text,
  },
  SERVER_NOT_FOUND: {
    kind: 'NotFound',
    message: ({ text }: Text & { readonly status: number }) => text,
  },
  SERVER_DENIED: {
    kind: 'Denied',
    message: ({ text }: Text & { readonly status: number }) => text,
  },
  ANSWER_INVALID: { kind: 'Protocol', message: ({ reason }: Reason) => reason },
  SECOND_FACTOR_REQUIRED: {
    kind: 'Unsupported',
    message: ({ user }: { readonly user: string }) =>
      `Cannot log in as '${user}': the account has a second factor, use an API token`,
  },
  PIPELINED_REQUEST_FAILED: {
    kind: 'Protocol',
    message: ({ reason }: Reason) => `pipelined request failed: ${reason}`,
  },

  // Specifications and sources
  SPECIFICATION_INVALID: {
    kind: 'Invalid',
    message: ({ text }: Text) => `unable to parse backup source specification '${text}'`,
  },
  TARGET_TWICE: { kind: 'Invalid', message: ({ name }: Name) => `got target twice: '${name}'` },
  SOURCE_UNREADABLE: {
    kind: 'NotFound',
    message: ({ path, reason }: PathReason) => `unable to access '${path}' - ${reason}`,
  },
  SOURCE_NOT_FOLDER: invalid('got unexpected file type (expected directory)'),
  SOURCE_NOT_FILE: invalid('got unexpected file type (expected regular file)'),
  SOURCE_NOT_IMAGE: {
    kind: 'Invalid',
    message: ({ path }: Path) =>
      `got unexpected file type (expected file, block device, or fifo): ${path}`,
  },
  SOURCE_EMPTY: { kind: 'Invalid', message: ({ path }: Path) => `got zero-sized file '${path}'` },
  SOURCE_PIPE_TWICE: {
    kind: 'Invalid',
    message: ({ path }: Path) => `got duplicate pipe '${path}'`,
  },
  SOURCE_SIZE_CHANGED: {
    kind: 'Conflict',
    message: ({ path, expected, actual }: Path & { expected: number; actual: number }) =>
      `Cannot back up '${path}': it ended at ${actual} bytes, expected ${expected}`,
  },
  CHUNK_SIZE_UNSUPPORTED: {
    kind: 'Invalid',
    message: ({ size }: { readonly size: number }) => `Got unsupported chunk size '${size}'`,
  },
  OPTIONS_CONFLICT: {
    kind: 'Invalid',
    message: ({ option, other }: { readonly option: string; readonly other: string }) =>
      `option '${option}' conflicts with option '${other}'`,
  },
  MODE_NOT_BUILT: {
    kind: 'Unsupported',
    message: ({ mode }: { readonly mode: string }) =>
      `Cannot use change detection mode '${mode}': it is not built yet, use 'legacy'`,
  },

  // Keys
  KEY_PAIR_GIVEN: {
    kind: 'Invalid',
    message: ({ option, other }: { readonly option: string; readonly other: string }) =>
      `${option} and ${other} are mutually exclusive`,
  },
  MASTER_KEY_WITHOUT_KEY: invalid(
    '--master-pubkey-file/--master-pubkey-fd specified, but no key available',
  ),
  CRYPT_MODE_WITHOUT_KEY: invalid(
    '--crypt-mode without --keyfile and no default key file available',
  ),
  FILE_UNREADABLE: {
    kind: 'NotFound',
    message: ({ path, reason }: PathReason) => `unable to read ${quoted(path)} - ${reason}`,
  },
  KEY_FILE_MISSING: {
    kind: 'NotFound',
    message: () => 'no encryption file provided and no default file found',
  },
  KEY_FILE_NOT_STORED: {
    kind: 'Conflict',
    message: ({ path, reason }: PathReason) =>
      `Unable to store key file ${quoted(path)} - ${reason}`,
  },
  KEY_HINT_NOT_ALLOWED: invalid('password hint not allowed for Kdf::None'),
  PASSPHRASE_MISMATCH: invalid('Passwords do not match!'),
  PASSPHRASE_TOO_SHORT: invalid('Password too short!'),
  PASSPHRASE_NO_TERMINAL: { kind: 'Denied', message: () => 'unable to read passphrase - no tty' },
  PASSPHRASE_CHANGE_NO_TERMINAL: {
    kind: 'Denied',
    message: () => 'unable to change passphrase - no tty',
  },

  // Tickets
  RUNTIME_FOLDER_OPEN: {
    kind: 'Denied',
    message: ({ path, mode }: Path & { readonly mode: number }) =>
      `$XDG_RUNTIME_DIR (\`${path}\`) must be secure: must have permissions 0o700, got 0o${mode.toString(8)}`,
  },

  // Restore
  GROUP_EMPTY: {
    kind: 'NotFound',
    message: ({ group }: { readonly group: string }) =>
      `backup group ${group} does not contain any snapshots.`,
  },
  GROUP_UNFINISHED: {
    kind: 'NotFound',
    message: ({ group }: { readonly group: string }) =>
      `backup group ${group} does not contain any finished snapshots.`,
  },
  ARCHIVE_NOT_LISTED: { kind: 'NotFound', message: () => 'archive not found in manifest' },
  TARGET_NOT_CREATED: {
    kind: 'Conflict',
    message: ({ path, reason }: PathReason) =>
      `unable to create target file ${quoted(path)} - ${reason}`,
  },
  PATTERN_TO_PIPE: invalid('patterns not allowed when restoring to stdout'),
  SPLIT_TO_PIPE: { kind: 'Unsupported', message: () => 'unable to pipe split archive' },
  SPLIT_NOT_BUILT: {
    kind: 'Unsupported',
    message: ({ name }: Name) => `Cannot restore split archive '${name}': it is not built yet`,
  },
  CHUNK_CRYPT_MODE_WRONG: {
    kind: 'Corrupt',
    message: () => "Index and chunk CryptMode don't match.",
  },
  EXTRACTION_FAILED: {
    kind: 'Io',
    message: ({ reason }: Reason) => `error extracting archive - ${reason}`,
  },

  // Namespaces, groups, tasks
  NAMESPACE_ROOT_PRESENT: invalid('root namespace is always present'),
  NAMESPACE_ROOT_DELETE: invalid('root namespace cannot be deleted'),
  NAMESPACE_ROOT_MOVE: invalid('root namespace cannot be moved'),
  GROUP_MISSING: { kind: 'NotFound', message: () => 'Unable to find backup group!' },
  UNEXPECTED_CHOICE: {
    kind: 'Invalid',
    message: ({ text }: Text) =>
      `unexpected choice '${text}'! Use enter for default or use 'y' or 'n'`,
  },
  TASK_FAILED: {
    kind: 'Protocol',
    message: ({ status }: { readonly status: string }) => `task failed (status ${status})`,
  },
  TASK_LOG_INVALID: { kind: 'Protocol', message: ({ reason }: Reason) => reason },
  INTERRUPTED: { kind: 'Conflict', message: () => 'interrupted' },
})

function quoted(path: string): string {
  return JSON.stringify(path)
}
