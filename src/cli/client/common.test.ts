import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseArguments } from '../parse-arguments.ts'
import { repositoryParameters } from './common.ts'

const shape = { positionals: [], parameters: repositoryParameters }

suite('--repository', () => {
  for (const text of ['a', 'joe@pbs!ci@backup.example:8007:a', '[fe80::1]:8007:a', '10.0.0.5:a']) {
    test(`takes ${text}`, () => {
      assert.equal(parseArguments(shape, ['--repository', text]).repository, text)
    })
  }

  // The environment's is refused later, with another text (cli.md 2.1).
  for (const text of ['', 'joe@backup.example:a', 'a b', 'a:b:c:d', 'x:/y']) {
    test(`refuses '${text}' with the usage`, () => {
      assert.throws(() => parseArguments(shape, [`--repository=${text}`]), {
        message:
          "parameter verification failed - 'repository': value does not match the regex pattern",
      })
    })
  }
})
