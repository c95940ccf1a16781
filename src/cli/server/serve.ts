/** `cairn serve`: the first set-up if there is none, then the server until a signal ends it. */
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Secret } from '../../base/secret.ts'
import { listDatastores } from '../../config/datastores.ts'
import {
  FIRST_DATASTORE,
  FIRST_USER,
  type FirstStart,
  firstStart,
} from '../../config/first-start.ts'
import { findUser } from '../../config/users.ts'
import { READ_AHEAD_COUNT, READ_AHEAD_COUNT_MAX } from '../../datastore/sessions/read-ahead.ts'
import { command, integer, optional, text, withDefault } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { EXIT_FAILED } from '../exit-codes.ts'
import { type Administration, makeAdministration, placeParameters } from './administration.ts'
import { openLog } from './diagnostics.ts'
import { errors } from './errors.ts'
import { makeFirstDatastore } from './first-datastore.ts'
import { surviveLeakedFiles } from './leaked-files.ts'
import { Predecessor } from './reload/predecessor.ts'
import { ServiceManager } from './reload/service-manager.ts'
import { Serving } from './reload/serving.ts'
import { claimPlace } from './reload/serving-place.ts'
import { slowSteps } from './slow-steps.ts'
import { passwordLines, welcomeLines } from './welcome.ts'

const PORT_DEFAULT = 8007
const GRACE_DEFAULT_S = 30
/** As for every new password of the realm `pbs`. */
const PASSWORD_LENGTH_MIN = 8

export const serveCommand = command({
  path: 'serve',
  summary: 'Runs the server until it is told to end.',
  parameters: {
    listen: withDefault(text('Address to listen on; :: is everywhere.'), '127.0.0.1'),
    port: withDefault(integer('Port.', { min: 0, max: 65_535 }), PORT_DEFAULT),
    grace: withDefault(
      integer('Seconds that running sessions get when the server ends.', { min: 0, max: 86_400 }),
      GRACE_DEFAULT_S,
    ),
    'known-chunk-wait': optional(
      integer(
        'Seconds to wait for the look at known chunks (default: the datastore says, else 5).',
        {
          min: 0,
          max: 3600,
        },
      ),
    ),
    'read-ahead': withDefault(
      integer('Chunks that each restore has read ahead; 0 = none.', {
        min: 0,
        max: READ_AHEAD_COUNT_MAX,
      }),
      READ_AHEAD_COUNT,
    ),
    ...placeParameters,
  },
  async run(values, context: CommandContext) {
    const { output, clock, signal, environment } = context
    surviveLeakedFiles(
      (line) => output.log(line),
      () => process.exit(EXIT_FAILED),
    )
    const predecessor = Predecessor.find(environment)
    await predecessor?.untilGo()
    const administration = await makeAdministration(values, context)
    const { fs, paths, files } = administration
    await using _place = await claimPlace(fs, paths.run, { isSuccessor: predecessor !== null })
    const { generatedPassword: password } = await setUp(administration, context)
    const secretLines = password === null ? [] : passwordLines(FIRST_USER, password)
    for (const line of secretLines) output.line(line)
    // Loaded here, so that the other commands start without the whole server.
    const { startServer } = await import('../../server/server.ts')
    const server = await startServer({
      fs,
      clock,
      paths,
      host: values.listen,
      port: values.port,
      descriptor: predecessor?.descriptor,
      log: openLog(environment),
      sessions: sessionSettings(values['known-chunk-wait'], values['read-ahead']),
      report: (line) => output.log(line),
    })
    const { datastores } = await listDatastores(files)
    const welcome = {
      listen: values.listen,
      port: server.port,
      fingerprint: server.fingerprint,
      hostname: hostname(),
      userid: (await findUser(files, FIRST_USER)) === null ? null : FIRST_USER,
      datastore: datastores[0]?.name ?? null,
      password,
    }
    if (predecessor === null) for (const line of welcomeLines(welcome)) output.line(line)
    const log = (line: string): void => output.log(line)
    const serving = new Serving({
      server,
      fs,
      run: paths.run,
      manager: new ServiceManager({ socket: environment['NOTIFY_SOCKET'], clock, onError: log }),
      predecessor,
      signal,
      graceMs: values.grace * 1000,
      log,
    })
    context.takeHangUps?.(() => serving.reload())
    const status = await serving.run()
    if (status !== 0) throw errors.SERVER_ENDED({ status })
  },
})

function sessionSettings(knownChunkWaitS: number | undefined, readAheadCount: number) {
  const knownChunkWaitMs = knownChunkWaitS === undefined ? null : knownChunkWaitS * 1000
  return { knownChunkWaitMs, readAheadCount }
}

async function setUp(
  { fs, paths, files }: Administration,
  { environment, output, clock }: CommandContext,
): Promise<FirstStart> {
  const given = environment['CAIRN_ADMIN_PASSWORD']
  return await firstStart(files, {
    storePath: join(paths.data, FIRST_DATASTORE),
    async createStore(path) {
      output.log(`first start: making the datastore '${FIRST_DATASTORE}' in ${path}`)
      const owner = await files.newFileOwner()
      // 65,536 folders: a moment, or half a minute on a slow disk.
      const progress = slowSteps(clock, (line) => output.log(line))
      await makeFirstDatastore(fs, { path, owner, progress })
    },
    ...(given === undefined ? {} : { password: adminPassword(given) }),
  })
}

function adminPassword(given: string): Secret {
  if (given.length < PASSWORD_LENGTH_MIN) {
    throw errors.ADMIN_PASSWORD_SHORT({ lengthMin: PASSWORD_LENGTH_MIN })
  }
  return new Secret(given)
}
