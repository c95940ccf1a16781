/** Many power cuts on ext4; see `cut-test.ts`. */
import { testCuts } from './cut-test.ts'

testCuts('ext4')
