/** Realms: `domains.cfg`; `pam` and `pbs` always exist. Source: rest-api.md 2.7. */
import type { ConfigFiles } from './config-files.ts'
import { parseBoolean } from './property-string.ts'
import { propertiesOf, type Section, sectionsOf } from './section-config.ts'
import { DOMAINS_FILE } from './section-file.ts'

/** A realm as `GET /access/domains` shows it. */
export interface Realm {
  readonly realm: string
  readonly type: string
  readonly comment?: string
  readonly default?: boolean
}

const BUILT_IN: readonly Realm[] = [
  { realm: 'pam', type: 'pam', comment: 'Linux PAM standard authentication', default: true },
  { realm: 'pbs', type: 'pbs', comment: 'Proxmox Backup authentication server' },
]

/** All realms: the built-in ones without section, then those in file order. */
export async function listRealms(
  files: ConfigFiles,
): Promise<{ readonly realms: readonly Realm[]; readonly digest: string }> {
  const { value, digest } = await files.read(DOMAINS_FILE)
  const stored = sectionsOf(value).map(realmOf)
  const hasDefault = stored.some((realm) => realm.default === true)
  const missing = BUILT_IN.filter(({ realm }) => !stored.some((other) => other.realm === realm))
  const implicit = missing.map(({ default: isDefault, ...realm }) =>
    isDefault === true && !hasDefault ? { ...realm, default: true } : realm,
  )
  return { realms: [...implicit, ...stored], digest }
}

/** The realm of that name, or null. */
export async function findRealm(files: ConfigFiles, name: string): Promise<Realm | null> {
  const { realms } = await listRealms(files)
  return realms.find(({ realm }) => realm === name) ?? null
}

function realmOf(section: Section): Realm {
  const properties = propertiesOf(section)
  const comment = properties.get('comment')
  const isDefault = parseBoolean(properties.get('default') ?? '')
  return {
    realm: section.id,
    type: section.type,
    ...(comment === undefined ? {} : { comment }),
    ...(isDefault === true ? { default: true } : {}),
  }
}
