/** Tickets kept between commands, in stock's file and form (spec cli 2.5). Best effort throughout. */
import { dirname } from 'node:path'
import { hasCode, toError } from '../base/errors.ts'
import { atomicWrite } from '../base/fs/atomic-write.ts'
import { unixSeconds } from '../base/time/clock.ts'
import type { ClientHost } from './host.ts'
import { checkRuntimeFolder, readUserFile, runtimePath } from './user-files.ts'

export interface CachedTicket {
  readonly ticket: string
  /** The CSRF prevention token that belongs to it. */
  readonly token: string
}

/** A ticket lives 7200 s; one that ends within a minute is not used any more. */
const AGE_MAX_SECONDS = 7200 - 60
const FILE_NAME = 'tickets'

interface Entry extends CachedTicket {
  readonly timestamp: number
}
type Tickets = Readonly<Record<string, Readonly<Record<string, Entry>>>>

/** The ticket of `user` on `server`, or null; also null where others may look into the folder. */
export async function readTicket(
  host: ClientHost,
  server: string,
  user: string,
): Promise<CachedTicket | null> {
  const path = runtimePath(host.environment, FILE_NAME)
  if (path === null || (await isOpen(host))) return null
  const entry = parseTickets(await readUserFile(host, path))[server]?.[user]
  if (entry === undefined || !isFresh(entry, unixSeconds(host.clock))) return null
  return { ticket: entry.ticket, token: entry.token }
}

/** Keeps `ticket` and drops old ones; a failure is only logged. An open folder gets none, as with stock. */
export async function storeTicket(
  host: ClientHost,
  { server, user }: { readonly server: string; readonly user: string },
  ticket: CachedTicket,
): Promise<void> {
  const path = runtimePath(host.environment, FILE_NAME)
  if (path === null || (await isOpen(host))) return
  const now = unixSeconds(host.clock)
  const kept = dropOld(parseTickets(await readUserFile(host, path)), now)
  const ofServer = { ...kept[server], [user]: { timestamp: now, ...ticket } }
  try {
    await writeTickets(host, path, { ...kept, [server]: ofServer })
  } catch (error) {
    host.log(`storing login ticket failed: ${toError(error).message}`)
  }
}

/**
 * Forgets the ticket of `user` on `server`; warnings where there was none.
 * @throws RUNTIME_FOLDER_OPEN
 */
export async function removeTicket(host: ClientHost, server: string, user: string): Promise<void> {
  const path = runtimePath(host.environment, FILE_NAME)
  if (path === null) return
  await checkRuntimeFolder(host)
  const tickets = parseTickets(await readUserFile(host, path))
  const ofServer = tickets[server]
  if (ofServer === undefined) {
    host.log(`no ticket found for server ${server}`)
    return
  }
  const { [user]: removed, ...others } = ofServer
  if (removed === undefined) host.log(`no ticket found for ${user} on server ${server}`)
  else await writeTickets(host, path, { ...tickets, [server]: others })
}

async function writeTickets(host: ClientHost, path: string, tickets: Tickets): Promise<void> {
  await host.fs.mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const bytes = Buffer.from(JSON.stringify(tickets))
  await atomicWrite(host.fs, path, bytes, { mode: 0o600, durable: false })
}

async function isOpen(host: ClientHost): Promise<boolean> {
  try {
    await checkRuntimeFolder(host)
    return false
  } catch (error) {
    if (hasCode(error, 'RUNTIME_FOLDER_OPEN')) return true
    throw error
  }
}

function dropOld(tickets: Tickets, now: number): Tickets {
  const servers = Object.entries(tickets).map(([server, users]) => {
    const fresh = Object.entries(users).filter(([, entry]) => isFresh(entry, now))
    return [server, Object.fromEntries(fresh)] as const
  })
  return Object.fromEntries(servers)
}

function isFresh(entry: Entry, now: number): boolean {
  const age = now - entry.timestamp
  return age >= -300 && age < AGE_MAX_SECONDS
}

/** What of `text` is well-formed. */
function parseTickets(text: string | null): Tickets {
  const data = parseJson(text)
  if (!isRecord(data)) return {}
  const servers = Object.entries(data).flatMap(([server, users]) => {
    if (!isRecord(users)) return []
    const entries = Object.entries(users).flatMap(([user, entry]) =>
      isEntry(entry) ? [[user, entry] as const] : [],
    )
    return [[server, Object.fromEntries(entries)] as const]
  })
  return Object.fromEntries(servers)
}

function parseJson(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text)
  } catch {
    return null
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isEntry(value: unknown): value is Entry {
  return (
    isRecord(value) &&
    typeof value['timestamp'] === 'number' &&
    typeof value['ticket'] === 'string' &&
    typeof value['token'] === 'string'
  )
}
