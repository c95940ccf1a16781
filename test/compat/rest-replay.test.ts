import test from 'node:test'
import { difference } from './rest-compare.ts'
import { readRecords, Replayer } from './rest-records.ts'
import { openRestState } from './rest-state.ts'

const GROUPS = [
  'access',
  'admin-datastore',
  'admin-datastore-change',
  'admin-datastore-failures',
  'login',
  'nodes',
  'transport',
]

test('replay', async () => {
  const state = await openRestState()
  const replayer = new Replayer(state)
  let phase = ''
  let bad = 0
  let good = 0
  try {
    for (const record of readRecords(GROUPS)) {
      if (record.phase !== phase) {
        phase = record.phase
        state.resetConfig((name, text) => {
          if (phase !== 'setup') return text
          if (name === 'user.cfg') return text.replace(/user: fx(?!user)[\s\S]*/, '')
          if (name === 'acl.cfg')
            return text
              .split('\n')
              .filter((line) => !/fx(?!user|gold)/.test(line))
              .join('\n')
          if (name === 'tfa.json') return '{}'
          return text
        })
        replayer.forgetSecret()
      }
      const answer = await replayer.send(record)
      const problem = difference(record, answer, state.folder)
      if (problem === null) good += 1
      else {
        bad += 1
        console.log(
          `${record.group} ${record.phase} | ${record.note} | ${record.as} | ${record.request.method} ${record.request.path} ${record.request.encoding} ${JSON.stringify(record.request.params).slice(0, 150)}\n    ${problem}`,
        )
      }
    }
  } finally {
    replayer.close()
    await state.close()
  }
  console.log({ good, bad })
})
