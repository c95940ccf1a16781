/** Credentials of requests: whatever is damaged about them, nobody becomes somebody else. */
import { join } from 'node:path'
import { hasCode } from '../../src/base/errors.ts'
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { systemClock } from '../../src/base/time/clock.ts'
import { ConfigFiles } from '../../src/config/config-files.ts'
import { ensurePlaces, resolvePaths } from '../../src/config/paths.ts'
import { generateToken } from '../../src/config/tokens.ts'
import { createUser } from '../../src/config/users.ts'
import { type AuthContext, openAuth } from '../../src/server/auth/auth-context.ts'
import { authenticate } from '../../src/server/auth/authenticate.ts'
import { issueCsrfToken } from '../../src/server/auth/csrf.ts'
import { issueTicket } from '../../src/server/auth/tickets.ts'
import { impatientClock } from '../support/session-server.ts'
import type { FuzzTarget } from './fuzz.ts'
import { expect, lines } from './samples.ts'

const USER = 'fuzz@pbs'
const PEER = '[::1]:40000'

/** Targets of `src/server/auth`; configuration lies below the empty folder `folder`. */
export async function authTargets(folder: string): Promise<FuzzTarget[]> {
  const auth = await openTestAuth(folder)
  const { tokenid, secret } = await generateToken(auth.files, { userid: USER, name: 'ref' })
  const ticket = await issueTicket(auth, USER)
  const cookie = `PBSAuthCookie=${encodeURIComponent(ticket)}`
  const csrf = await issueCsrfToken(auth, USER)
  const none = { method: 'POST', cookies: [], authorization: null, csrfToken: null, peer: PEER }
  return [
    authTarget('ticket', {
      samples: lines(cookie, `a=b; __Host-${cookie}; c=d`),
      proof: ticket,
      authId: USER,
      identify: (text) => authenticate(auth, { ...none, cookies: [text], csrfToken: csrf }),
    }),
    authTarget('csrf token', {
      samples: lines(csrf),
      proof: csrf,
      authId: USER,
      identify: (text) => authenticate(auth, { ...none, cookies: [cookie], csrfToken: text }),
    }),
    authTarget('api token', {
      samples: ['PBSAPIToken ', 'PBSAPIToken='].flatMap((scheme) =>
        lines(`${scheme}${tokenid}:${secret.reveal()}`),
      ),
      proof: `${tokenid}:${secret.reveal()}`,
      authId: tokenid,
      identify: (text) => authenticate(auth, { ...none, authorization: text }),
    }),
  ]
}

interface Credentials {
  readonly samples: readonly Uint8Array[]
  /** What only the right caller has: without it nobody is let in. */
  readonly proof: string
  readonly authId: string
  identify(text: string): Promise<{ readonly authId: string }>
}

/** Header texts as Node hands them over: one character a byte. */
function authTarget(name: string, credentials: Credentials): FuzzTarget {
  const { samples, proof, authId } = credentials
  return {
    name,
    samples,
    async decode(bytes) {
      const text = Buffer.from(bytes).toString('latin1')
      try {
        const caller = await credentials.identify(text)
        expect(caller.authId === authId, `the caller ${authId}, not ${caller.authId}`)
        expect(unescaped(text).includes(proof), 'the whole credentials')
      } catch (error) {
        // Any other answer would tell what was wrong, and at once.
        if (hasCode(error, 'AUTHENTICATION_FAILED')) throw error
        throw new Error('not a refusal', { cause: error })
      }
    },
  }
}

/** Percent escapes to what they stand for, bytes that are none left alone. */
function unescaped(text: string): string {
  return text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
}

async function openTestAuth(folder: string): Promise<AuthContext> {
  const paths = resolvePaths({ data: join(folder, 'auth') })
  await ensurePlaces(nodeFileSystem, paths)
  const files = new ConfigFiles({ fs: nodeFileSystem, clock: systemClock, paths })
  await createUser(files, { userid: USER })
  return await openAuth({ files, clock: impatientClock() })
}
