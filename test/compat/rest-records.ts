/** The REST recordings as data, and how one of them is sent again. */
import { readFileSync } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { inflateSync } from 'node:zlib'
import { issueCsrfToken } from '../../src/server/auth/csrf.ts'
import { S3_FILE } from '../../src/config/s3-endpoint-file.ts'
import { issueTicket } from '../../src/server/auth/tickets.ts'
import { RECORDED_FOLDER, type RestState, TOKEN_ID } from './rest-state.ts'

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json }

export interface RecordedBody {
  readonly json?: Json
  readonly text?: string
  readonly length?: number
  readonly sha256?: string
  readonly hex?: string
}

export interface RestRecord {
  readonly group: string
  readonly phase: 'setup' | 'read' | 'failures' | 'change' | 'teardown'
  readonly note: string | null
  readonly as: string | null
  readonly left_out?: unknown
  readonly request: {
    readonly method: string
    readonly path: string
    readonly encoding: 'query' | 'form' | 'json'
    readonly params: Readonly<Record<string, unknown>>
    readonly headers?: Readonly<Record<string, string>>
    readonly body?: RecordedBody
  }
  readonly response: {
    readonly status: number
    readonly headers: readonly (readonly [string, string])[]
    readonly body: RecordedBody | null
  }
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: Buffer
}

const REST = join(import.meta.dirname, '..', 'fixtures', 'rest')
const PHASES = ['setup', 'read', 'failures', 'change', 'teardown'] as const

/** The records of `groups`, phase by phase, each group in its recorded order. */
export function readRecords(groups: readonly string[]): readonly RestRecord[] {
  const all = groups.flatMap((group) => {
    const text = readFileSync(join(REST, `${group}.json`), 'utf8')
    const records = JSON.parse(text) as RestRecord[]
    return records.map((record) => ({ ...record, group })).filter((record) => !isSkipped(record))
  })
  return PHASES.flatMap((phase) => all.filter((record) => record.phase === phase))
}

/** Sends requests of the recording with credentials that are good now. */
export class Replayer {
  readonly #state: RestState
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  #secret: string | null = null
  #replacement: { readonly pattern: RegExp; readonly text: string } | null = null

  constructor(state: RestState) {
    this.#state = state
  }

  /** To be called when the configuration was put back. */
  forgetSecret(): void {
    this.#secret = null
  }

  /** The next request goes to another path: identifiers of tasks are ours. */
  replaceInPath(pattern: RegExp, text: string): void {
    this.#replacement = { pattern, text }
  }

  close(): void {
    this.#agent.destroy()
  }

  async send(record: RestRecord): Promise<Answer> {
    const { method, params, encoding } = record.request
    const values = await this.#fillIn(params)
    // Files of the recording had other sections, too.
    if (record.note === 'right digest' && record.group === 'config-s3') {
      const { digest } = await this.#state.context.files.read(S3_FILE)
      Object.assign(values, { digest })
    }
    const isQuery = encoding === 'query'
    const query = isQuery ? formText(values) : ''
    const headers = { ...(await this.#credentials(record)), ...(await this.#headers(record)) }
    const body = bodyOf(record, values)
    if (body !== null) headers['content-length'] = String(body.length)
    const { pattern, text } = this.#replacement ?? { pattern: /$^/, text: '' }
    this.#replacement = null
    const place = record.request.path.replace(pattern, text)
    const path = query === '' ? place : `${place}?${query}`
    return await this.#exchange({ method, path, headers }, body)
  }

  async #credentials(record: RestRecord): Promise<Record<string, string>> {
    if (record.as === null) return {}
    if (record.as === TOKEN_ID) {
      return { authorization: `PBSAPIToken ${TOKEN_ID}:${await this.#tokenSecret()}` }
    }
    const { auth } = this.#state.context
    const ticket = encodeURIComponent(await issueTicket(auth, record.as))
    const isSafe = record.request.method === 'GET'
    const needsNone =
      isSafe || record.note === 'no CSRF token' || record.note === 'cookie without CSRF token'
    const csrf = needsNone ? {} : { csrfpreventiontoken: await issueCsrfToken(auth, record.as) }
    return { cookie: `PBSAuthCookie=${ticket}`, ...csrf }
  }

  async #headers(record: RestRecord): Promise<Record<string, string>> {
    const headers: Record<string, string> = {}
    for (const [name, value] of Object.entries(record.request.headers ?? {})) {
      headers[name.toLowerCase()] = await this.#fillInText(value)
    }
    if (record.note === 'of another user') {
      headers['csrfpreventiontoken'] = await issueCsrfToken(this.#state.context.auth, 'fxaudit@pbs')
    }
    return headers
  }

  async #fillIn(
    params: Readonly<Record<string, unknown>>,
  ): Promise<Readonly<Record<string, unknown>>> {
    const filled: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(params)) {
      filled[name] = typeof value === 'string' ? await this.#fillInText(value) : value
    }
    return filled
  }

  /** Signatures and secrets are left out of the recording; fresh ones of the same user go in. */
  async #fillInText(text: string): Promise<string> {
    let filled = text.replaceAll(RECORDED_FOLDER, this.#state.folder)
    const ticket = /PBS:([^:!]+):6B01[0-9A-F]{4}::<signature>/.exec(filled)
    if (ticket !== null) {
      const fresh = await issueTicket(this.#state.context.auth, ticket[1] ?? '')
      filled = filled.replace(ticket[0], fresh)
    }
    if (filled.includes('<token secret>')) {
      filled = filled.replaceAll('<token secret>', await this.#tokenSecret())
    }
    return filled
  }

  async #tokenSecret(): Promise<string> {
    this.#secret ??= await this.#state.tokenSecret()
    return this.#secret
  }

  async #exchange(
    head: { method: string; path: string; headers: Record<string, string> },
    body: Buffer | null,
  ): Promise<Answer> {
    const { agent, port } = { agent: this.#agent, port: this.#state.port }
    return await new Promise((resolve, reject) => {
      const request = httpRequest({ ...head, agent, port, host: '127.0.0.1' }, (response) => {
        const pieces: Buffer[] = []
        response.on('data', (piece: Buffer) => pieces.push(piece))
        response.on('error', reject)
        response.on('end', () => {
          const { statusCode: status = 0, headers } = response
          const bytes = Buffer.concat(pieces)
          const isDeflated = headers['content-encoding'] === 'deflate'
          resolve({ status, headers, body: isDeflated ? inflateSync(bytes) : bytes })
        })
      })
      request.on('error', reject)
      request.end(body ?? undefined)
    })
  }
}

function bodyOf(record: RestRecord, values: Readonly<Record<string, unknown>>): Buffer | null {
  const { body, encoding } = record.request
  if (body?.hex !== undefined) return Buffer.from(body.hex, 'hex')
  if (body?.text !== undefined) return Buffer.from(body.text)
  if (encoding === 'json') return Buffer.from(JSON.stringify(values))
  return encoding === 'form' ? Buffer.from(formText(values)) : null
}

function formText(values: Readonly<Record<string, unknown>>): string {
  const pairs = Object.entries(values).flatMap(([name, value]) =>
    Array.isArray(value)
      ? value.map((item) => [name, String(item)] as [string, string])
      : [[name, String(value)] as [string, string]],
  )
  return new URLSearchParams(pairs).toString()
}

/** Of "other", what this server has: upgrades without upgrade, and the overview of usage. */
const OTHER_PATHS = /^\/api2\/json\/(?:backup|reader|status(?:\/datastore-usage)?)$/

function isSkipped({ group, phase, request }: RestRecord): boolean {
  // Making datastores means 65,536 folders each: that is tested where it is the subject.
  if (group === 'config-datastore') return phase === 'setup'
  return group === 'other' && !OTHER_PATHS.test(request.path)
}
