/** Script of the threads in worker-pool.test.ts. */
import { CairnError } from '../errors.ts'
import { systemError } from '../fs/system-error.ts'
import { serveWorker, Transferred } from './serve-worker.ts'

type TestTask =
  | { readonly kind: 'add'; readonly a: number; readonly b: number }
  | { readonly kind: 'reverse'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'cairn-error' | 'system-error' | 'throw-later' | 'exit' }
  | { readonly kind: 'spin' | 'wait' }

serveWorker(async (input, context): Promise<unknown> => {
  const task = input as TestTask
  switch (task.kind) {
    case 'add':
      context.tell('adding')
      return task.a + task.b
    case 'reverse':
      return new Transferred(task.bytes.reverse(), [task.bytes.buffer])
    case 'cairn-error':
      throw new CairnError('outer', {
        kind: 'Corrupt',
        code: 'TEST_CODE',
        data: { digest: 'abc' },
        cause: new Error('inner'),
      })
    case 'system-error':
      throw systemError('ENOENT', 'open', '/x')
    case 'throw-later':
      setImmediate(() => {
        throw new Error('nobody catches this')
      })
      return await new Promise(() => {})
    case 'exit':
      return process.exit(3)
    case 'spin':
      context.tell('spinning')
      for (;;) context.throwIfAborted()
    case 'wait':
      context.tell('waiting')
      return await new Promise((_resolve, reject) => {
        context.signal.addEventListener('abort', () => reject(new Error('told')))
      })
    default:
      return task satisfies never
  }
})
