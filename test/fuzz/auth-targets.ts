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
    authTarget('ticket', lines(cookie, `a=b; __Host-${cookie}; c=d`), USER, (text) =>
      authenticate(auth, { ...none, cookies: [text], csrfToken: csrf }),
    ),
    authTarget('csrf token', lines(csrf), USER, (text) =>
      authenticate(auth, { ...none, cookies: [cookie], csrfToken: text }),
    ),
    authTarget(
      'api token',
      lines(
        `PBSAPIToken ${tokenid}:${secret.reveal()}`,
        `PBSAPIToken=${encodeURI(tokenid)}:${secret.reveal()}`,
      ),
      tokenid,
      (text) => authenticate(auth, { ...none, authorization: text }),
    ),
  ]
}

/** Header texts as Node hands them over: one character a byte. */
function authTarget(
  name: string,
  samples: readonly Uint8Array[],
  authId: string,
  identify: (text: string) => Promise<{ readonly authId: string }>,
): FuzzTarget {
  return {
    name,
    samples,
    async decode(bytes) {
      try {
        const caller = await identify(Buffer.from(bytes).toString('latin1'))
        expect(caller.authId === authId, `the caller ${authId}, not ${caller.authId}`)
      } catch (error) {
        // Any other answer would tell what was wrong, and at once.
        if (hasCode(error, 'AUTHENTICATION_FAILED')) throw error
        throw new Error('not a refusal', { cause: error })
      }
    },
  }
}

async function openTestAuth(folder: string): Promise<AuthContext> {
  const paths = resolvePaths({ data: join(folder, 'auth') })
  await ensurePlaces(nodeFileSystem, paths)
  const files = new ConfigFiles({ fs: nodeFileSystem, clock: systemClock, paths })
  await createUser(files, { userid: USER })
  return await openAuth({ files, clock: impatientClock() })
}
