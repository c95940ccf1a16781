/** Descriptors of the section files: name, lock file, mode (modes: rest-api.md 2.8). */
import type { ConfigFile } from './config-files.ts'
import { formatSectionConfig, parseSectionConfig, type SectionConfig } from './section-config.ts'

const SHARED_MODE = 0o640

export const USER_FILE = sectionFile('user')
export const DATASTORE_FILE = sectionFile('datastore')
export const DOMAINS_FILE = sectionFile('domains')

/** The descriptor of `<name>.cfg` with stock's lock file `.<name>.lck`. */
export function sectionFile(name: string): ConfigFile<SectionConfig> {
  return Object.freeze({
    name: `${name}.cfg`,
    lockName: `.${name}.lck`,
    mode: SHARED_MODE,
    parse: (bytes: Uint8Array) => parseSectionConfig(new TextDecoder().decode(bytes)),
    format: (config: SectionConfig) => new TextEncoder().encode(formatSectionConfig(config)),
  })
}
