/** A ClientHost for tests: the real file system, a given environment, nobody at the terminal. */
import { nodeFileSystem } from '../../src/base/fs/node-file-system.ts'
import { systemClock } from '../../src/base/time/clock.ts'
import type { ClientHost, Environment } from '../../src/client/host.ts'

export interface TestHost extends ClientHost {
  /** What was logged so far. */
  readonly lines: string[]
}

/** A host with `environment` and nothing else of this machine. */
export function testHost(environment: Environment): TestHost {
  const lines: string[] = []
  return {
    fs: nodeFileSystem,
    clock: systemClock,
    environment,
    prompt: {
      isInteractive: false,
      askSecret: () => Promise.reject(new Error('nobody is there')),
      askLine: () => Promise.resolve(null),
    },
    log: (line) => lines.push(line),
    nodeName: 'vm',
    lines,
  }
}
