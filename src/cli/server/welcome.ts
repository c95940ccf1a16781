/** What `cairn serve` prints when it is up: where, as whom, and the lines to paste for the stock client. */
import { isIPv6 } from 'node:net'
import type { Secret } from '../../base/secret.ts'

export interface Welcome {
  /** Address the server listens on. */
  readonly listen: string
  readonly port: number
  readonly fingerprint: string
  /** Host name for clients elsewhere. */
  readonly hostname: string
  /** A user that exists, for the repository; null if the configuration is somebody else's. */
  readonly userid: string | null
  /** Name of a datastore; null if there is none. */
  readonly datastore: string | null
  /** Shown only now. */
  readonly password: Secret | null
}

const EVERYWHERE = ['0.0.0.0', '::']

/** Printed as soon as the password exists: a start that then fails (port in use) must not lose it. */
export function passwordLines(userid: string, password: Secret): string[] {
  return [
    `The administrator ${userid} was made. The password is shown only this once:`,
    '',
    `    ${password.reveal()}`,
    '',
  ]
}

/** The lines, without line ends. */
export function welcomeLines(welcome: Welcome): string[] {
  const { port, fingerprint, password, userid, datastore } = welcome
  const host = hostOf(welcome)
  const lines = [`Cairn is up: https://${host}:${port}`]
  const repository = `${userid ?? 'USER@REALM'}@${host}:${port}:${datastore ?? 'DATASTORE'}`
  lines.push(
    '',
    'For the backup client, paste:',
    '',
    `export PBS_REPOSITORY='${repository}'`,
    `export PBS_FINGERPRINT='${fingerprint}'`,
  )
  if (password !== null) lines.push(`export PBS_PASSWORD='${password.reveal()}'`)
  lines.push('proxmox-backup-client backup etc.pxar:/etc', '')
  return lines
}

function hostOf({ listen, hostname }: Welcome): string {
  if (EVERYWHERE.includes(listen)) return hostname
  return isIPv6(listen) ? `[${listen}]` : listen
}
