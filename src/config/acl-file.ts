/**
 * The file `acl.cfg`: one rule a line, `acl:<propagate 0|1>:<path>:<ugid>[,…]:<role>[,…]`. A change rewrites only the
 * lines of its path; lines that cannot be understood stay. Source: rest-api.md 2.8.
 */
import type { ConfigFile } from './config-files.ts'

export interface AclRule {
  readonly path: string
  /** An auth id, or `@group` (parsed, but groups do not exist). */
  readonly ugid: string
  readonly role: string
  readonly propagate: boolean
}

type AclLine = { readonly text: string; readonly rules: readonly AclRule[] }

export interface AclConfig {
  readonly lines: readonly AclLine[]
}

export const ACL_FILE: ConfigFile<AclConfig> = Object.freeze({
  name: 'acl.cfg',
  lockName: '.acl.lck',
  mode: 0o640,
  parse: (bytes: Uint8Array) => parseAcl(new TextDecoder().decode(bytes)),
  format: (config: AclConfig) => new TextEncoder().encode(formatAcl(config)),
})

const LINE = /^acl:([01]):(\/[^:]*):([^:]+):([^:]+)$/

/** The rules of `text`; a line that is none stays as text. */
export function parseAcl(text: string): AclConfig {
  const lines = text.endsWith('\n') ? text.slice(0, -1).split('\n') : text.split('\n')
  return { lines: text === '' ? [] : lines.map(parseLine) }
}

/** The text of `config`. */
export function formatAcl(config: AclConfig): string {
  return config.lines.map((line) => `${line.text}\n`).join('')
}

/** All rules in file order. */
export function rulesOf(config: AclConfig): AclRule[] {
  return config.lines.flatMap((line) => line.rules)
}

/** `config` with the rules of `path` replaced by what `change` makes of them. */
export function changePath(
  config: AclConfig,
  path: string,
  change: (rules: readonly AclRule[]) => readonly AclRule[],
): AclConfig {
  const isOfPath = (line: AclLine): boolean => line.rules[0]?.path === path
  const present = config.lines.filter(isOfPath).flatMap((line) => line.rules)
  const next = change(present)
  if (sameRules(present, next)) return config
  const added = linesOf(path, next)
  const first = config.lines.findIndex(isOfPath)
  const rest = config.lines.filter((line) => !isOfPath(line))
  const behind = rest.findIndex((line) => (line.rules[0]?.path ?? '') > path)
  const position = first >= 0 ? first : behind >= 0 ? behind : rest.length
  return { lines: rest.toSpliced(position, 0, ...added) }
}

/** The same path with single slashes and none at its end. */
export function normalizeAclPath(path: string): string {
  return `/${aclComponents(path).join('/')}`
}

/** The components of `path`; none for `/`. */
export function aclComponents(path: string): string[] {
  return path.split('/').filter((component) => component !== '')
}

function parseLine(text: string): AclLine {
  const [, propagate, path, ugids = '', roles = ''] = LINE.exec(text.trim()) ?? []
  if (path === undefined) return { text, rules: [] }
  const items = (list: string): string[] =>
    list
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
  const rules = items(ugids).flatMap((ugid) =>
    items(roles).map((role) => ({
      path: normalizeAclPath(path),
      ugid,
      role,
      propagate: propagate === '1',
    })),
  )
  return { text, rules }
}

function sameRules(left: readonly AclRule[], right: readonly AclRule[]): boolean {
  const keys = (rules: readonly AclRule[]): string =>
    rules.map((rule) => `${rule.ugid} ${rule.role} ${rule.propagate}`).join('\n')
  return keys(left) === keys(right)
}

/** One line for each set of roles that the same users have, as stock groups them. */
function linesOf(path: string, rules: readonly AclRule[]): AclLine[] {
  const lines: AclLine[] = []
  for (const propagate of [false, true]) {
    const own = rules.filter((rule) => rule.propagate === propagate)
    const usersOfRole = new Map<string, Set<string>>()
    for (const { role, ugid } of own) {
      usersOfRole.set(role, (usersOfRole.get(role) ?? new Set()).add(ugid))
    }
    const rolesOfUsers = new Map<string, string[]>()
    for (const [role, users] of usersOfRole) {
      const key = [...users].toSorted().join(',')
      rolesOfUsers.set(key, [...(rolesOfUsers.get(key) ?? []), role])
    }
    for (const [users, roles] of [...rolesOfUsers].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const flag = propagate ? '1' : '0'
      lines.push(parseLine(`acl:${flag}:${path}:${users}:${roles.toSorted().join(',')}`))
    }
  }
  return lines
}
