/**
 * `s3.cfg`: where buckets are reached and with which keys (formats.md 10.5, datastore-semantics.md 19.1).
 *
 * Stock keeps the secret in this very file, as the property `secret-key` (so its configuration in the fixtures; the
 * specification says "stored apart"). So do we, and read it from there; a file that we make is for its owner only. Here
 * it is a `Secret` from the first moment: the lines of the file never leave this object but to be written.
 */
import { parseBytes } from '../base/human-units.ts'
import { Secret } from '../base/secret.ts'
import type { ConfigFile } from './config-files.ts'
import { errors } from './errors.ts'
import { parseBoolean } from './property-string.ts'
import {
  addSection,
  changeSection,
  findSection,
  formatSectionConfig,
  parseSectionConfig,
  removeSection,
  type Section,
  type SectionChanges,
  type SectionConfig,
  sectionsOf,
} from './section-config.ts'

/** What stores are said not to keep of the protocol. */
export const PROVIDER_QUIRKS = [
  'skip-if-none-match-header',
  'delete-objects-via-delete-object',
] as const
export type ProviderQuirk = (typeof PROVIDER_QUIRKS)[number]

/** How an endpoint is reached and used. */
export interface S3Endpoint {
  readonly id: string
  /** Host, maybe with the templates `{{bucket}}` and `{{region}}`. */
  readonly endpoint: string
  readonly port: number
  readonly region: string
  /** SHA-256 of the certificate; null: it must be signed by an authority that the system knows. */
  readonly fingerprint: string | null
  readonly accessKey: string
  readonly secretKey: Secret
  /** The bucket as the first part of the path instead of the host's first label. */
  readonly pathStyle: boolean
  /** PUTs per second; null for no limit. */
  readonly putRateLimit: number | null
  /** Bytes per second and at once; null for no limit. `in` is what we receive. */
  readonly rateIn: number | null
  readonly burstIn: number | null
  readonly rateOut: number | null
  readonly burstOut: number | null
  readonly quirks: readonly ProviderQuirk[]
}

/** An endpoint as it is shown: every known property but the secret. */
export type ShownEndpoint = Readonly<
  Record<string, string | number | boolean | readonly string[]>
> & {
  readonly id: string
}

/** New values of an endpoint by key; null removes one. */
export interface EndpointChanges {
  readonly properties: SectionChanges
  readonly secretKey?: Secret | undefined
}

export const S3_PORT = 443
export const S3_REGION = 'us-west-1'

const TYPE = 's3-endpoint'
const SECRET_KEY = 'secret-key'
const NUMBERS = new Set(['port', 'put-rate-limit'])
/** Everything that may be shown; what nobody knows could be a secret. */
const SHOWN = new Set([
  'access-key',
  'burst-in',
  'burst-out',
  'endpoint',
  'fingerprint',
  'path-style',
  'port',
  'provider-quirks',
  'put-rate-limit',
  'rate-in',
  'rate-out',
  'region',
])

/** The parsed file. Immutable: a change makes another one. */
export class S3EndpointFile {
  readonly #config: SectionConfig

  constructor(config: SectionConfig) {
    this.#config = config
  }

  /** Ids in file order. */
  get ids(): readonly string[] {
    return sectionsOf(this.#config, TYPE).map(({ id }) => id)
  }

  /** All endpoints in file order, as they may be shown. */
  shown(): readonly ShownEndpoint[] {
    return sectionsOf(this.#config, TYPE).map(shownEndpoint)
  }

  /** Null if there is none of this id. Errors: S3_ENDPOINT_INVALID. */
  find(id: string): S3Endpoint | null {
    const section = findSection(this.#config, TYPE, id)
    return section === null ? null : endpointOf(section)
  }

  with(id: string, { properties, secretKey }: EndpointChanges): S3EndpointFile {
    const target = { type: TYPE, id }
    const changes = new Map(properties)
    if (secretKey !== undefined) changes.set(SECRET_KEY, secretKey.reveal())
    const isNew = findSection(this.#config, TYPE, id) === null
    const sorted = new Map([...changes].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    const next = isNew
      ? addSection(this.#config, { ...target, properties: sorted })
      : changeSection(this.#config, target, changes)
    return next === this.#config ? this : new S3EndpointFile(next)
  }

  without(id: string): S3EndpointFile {
    return new S3EndpointFile(removeSection(this.#config, { type: TYPE, id }))
  }

  /** The bytes of the file, secrets and all. */
  format(): Uint8Array {
    return new TextEncoder().encode(formatSectionConfig(this.#config))
  }
}

export const S3_FILE: ConfigFile<S3EndpointFile> = Object.freeze({
  name: 's3.cfg',
  lockName: '.s3.lck',
  mode: 0o600,
  // Stock's proxy reads its file by the group; the others never may.
  modeMask: 0o640,
  parse: (bytes: Uint8Array) =>
    new S3EndpointFile(parseSectionConfig(new TextDecoder().decode(bytes))),
  format: (file: S3EndpointFile) => file.format(),
})

function shownEndpoint(section: Section): ShownEndpoint {
  const shown: Record<string, string | number | boolean | readonly string[]> = {}
  const quirks: string[] = []
  for (const [key, text] of section.properties) {
    if (!SHOWN.has(key)) continue
    if (key === 'provider-quirks') quirks.push(text)
    else if (key === 'path-style') shown[key] = parseBoolean(text) ?? text
    else shown[key] = NUMBERS.has(key) && /^\d+$/.test(text) ? Number(text) : text
  }
  if (quirks.length > 0) shown['provider-quirks'] = quirks
  return { ...shown, id: section.id }
}

function endpointOf(section: Section): S3Endpoint {
  const { id } = section
  const values = new Map(section.properties.toReversed())
  const demand = (key: string): string => {
    const value = values.get(key) ?? ''
    if (value === '') throw errors.S3_ENDPOINT_INVALID({ id, key, reason: 'it is missing' })
    return value
  }
  const size = (key: string): number | null => sizeOf(id, key, values.get(key))
  return Object.freeze({
    id,
    endpoint: demand('endpoint'),
    port: numberOf(id, 'port', values.get('port')) ?? S3_PORT,
    region: values.get('region') ?? S3_REGION,
    fingerprint: values.get('fingerprint')?.toLowerCase() ?? null,
    accessKey: demand('access-key'),
    secretKey: new Secret(demand(SECRET_KEY)),
    pathStyle: parseBoolean(values.get('path-style') ?? '') ?? false,
    putRateLimit: numberOf(id, 'put-rate-limit', values.get('put-rate-limit')),
    rateIn: size('rate-in'),
    burstIn: size('burst-in'),
    rateOut: size('rate-out'),
    burstOut: size('burst-out'),
    quirks: quirksOf(section),
  })
}

/** Zero and nothing are no limit. */
function numberOf(id: string, key: string, text: string | undefined): number | null {
  if (text === undefined) return null
  if (!/^\d{1,9}$/.test(text)) {
    throw errors.S3_ENDPOINT_INVALID({ id, key, reason: `'${text}' is no number` })
  }
  return Number(text) === 0 ? null : Number(text)
}

function sizeOf(id: string, key: string, text: string | undefined): number | null {
  if (text === undefined) return null
  const bytes = parseBytes(text)
  if (bytes === null) {
    throw errors.S3_ENDPOINT_INVALID({ id, key, reason: `'${text}' is no size` })
  }
  return bytes === 0 ? null : bytes
}

/** A quirk that is not known is one that we would trample on. */
function quirksOf({ id, properties }: Section): readonly ProviderQuirk[] {
  const key = 'provider-quirks'
  const texts = properties.filter(([name]) => name === key).map(([, text]) => text)
  return texts.map((text) => {
    const quirk = PROVIDER_QUIRKS.find((known) => known === text)
    if (quirk !== undefined) return quirk
    throw errors.S3_ENDPOINT_INVALID({ id, key, reason: `'${text}' is not known` })
  })
}
