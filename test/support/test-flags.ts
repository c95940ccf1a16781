/** What processes of the test runner are started with. */
import { join } from 'node:path'

/** Makes them quick: see the module. */
export const TEST_FLAGS = [`--import=${join(import.meta.dirname, 'light-test-hooks.ts')}`] as const
