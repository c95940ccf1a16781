/** What our client reads: what a person typed, and what a server answers that need not be honest. */
import { splitWords } from '../../src/client/shell-words.ts'
import { parseAnswer } from '../../src/client/answer.ts'
import { parseExcludeFile } from '../../src/client/backup/exclude-patterns.ts'
import { parseSpecification } from '../../src/client/backup/specification.ts'
import { formatRepository, parseRepository } from '../../src/client/repository.ts'
import { parseBytes } from '../../src/base/human-units.ts'
import { OutgoingClient } from '../../src/transport/outgoing.ts'
import { connectUpgraded } from '../../src/transport/h2-session.ts'
import { HostileServer } from './hostile-server.ts'
import { dataFrame, headersFrame, settingsFrame } from './http2-frames.ts'
import type { FuzzTarget } from './fuzz.ts'
import { lenient, lines, textTarget } from './samples.ts'

/** An answer that never ends must not fill memory. */
const ANSWER_SIZE_MAX = 1 << 20

/** Targets of `src/client` and `src/transport`. */
export async function clientTargets(): Promise<FuzzTarget[]> {
  return [...typedTargets(), ...(await serverTargets())]
}

function typedTargets(): FuzzTarget[] {
  const repositories = lines('admin@pbs!ref@[::1]:8007:store1', 'host.example:store', 'store1')
  const files = lines('# comment\n*.tmp\n!/keep/**\n\\!x\n/a b/\n[a-z]?\n')
  return [
    textTarget('repository', repositories, (text) => {
      formatRepository(parseRepository(text))
    }),
    textTarget('specification', lines('root.pxar:/', 'disk.img:/dev/x'), (text) => {
      parseSpecification(text)
    }),
    lenient(textTarget('size', lines('10M', '1.5 GiB', '123'), (text) => void parseBytes(text))),
    lenient(
      textTarget('shell words', lines(`a 'b c' "d\\"e" f\\ g`), (text) => void splitWords(text)),
    ),
    lenient({
      name: 'exclude file',
      samples: files,
      decode: (bytes) => void parseExcludeFile(Buffer.from(bytes), 'a/b', () => {}),
    }),
    {
      name: 'json answer',
      samples: lines('{"data":[{"a":1}],"total":1}', '{"data":null}'),
      decode: (bytes) => void parseAnswer(bytes),
    },
  ]
}

async function serverTargets(): Promise<FuzzTarget[]> {
  const server = await HostileServer.open()
  const { target } = server
  const upgraded = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: p\r\n\r\n'
  const greeting = Buffer.concat([Buffer.from(upgraded), settingsFrame([])])
  const http2 = Buffer.concat([
    greeting,
    settingsFrame('acknowledge'),
    headersFrame({ stream: 1, end: false }, [[':status', '200']]),
    dataFrame({ stream: 1, end: true }, Buffer.from('{"data":null}')),
  ])
  const http1 = lines(
    'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{"data":null}',
    'HTTP/1.1 400 Bad Request\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwrong\r\n0\r\n\r\n',
  )
  return [
    {
      name: 'answer on HTTP/1.1',
      samples: http1,
      async decode(bytes) {
        server.answer = bytes
        server.firstSize = null
        await using client = new OutgoingClient(target)
        await client.request({ method: 'GET', path: '/x', sizeMax: ANSWER_SIZE_MAX })
      },
    },
    {
      name: 'answer on HTTP/2',
      samples: [new Uint8Array(http2)],
      async decode(bytes) {
        server.answer = bytes
        server.firstSize = greeting.length
        const request = { path: '/x', protocol: 'p', headers: {} }
        await using session = await connectUpgraded(target, request)
        await session.request('GET', '/x', { sizeMax: ANSWER_SIZE_MAX })
      },
    },
  ]
}
