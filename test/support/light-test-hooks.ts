/**
 * Node's test runner follows each promise of a test process from its making to its collection, by async hooks, only to
 * know which test an uncaught error belongs to: a third of the processor time of our tests. Preloaded with `--import`,
 * this module lets an `AsyncLocalStorage` carry the same knowledge, which costs next to nothing.
 *
 * The runner (`internal/test_runner/harness`) makes one hook of `init` and `destroy` that keeps a map from async ids to
 * tests, and asks that map with `executionAsyncId()`. Here `init` is told of tests alone, and within what a test runs the
 * id is the test's. A hook of any other shape is made as always.
 */
import {
  type AsyncHook,
  AsyncLocalStorage,
  AsyncResource,
  type HookCallbacks,
} from 'node:async_hooks'

type Run = (...args: unknown[]) => unknown
type Init = NonNullable<HookCallbacks['init']>

/** The public module, whose properties the runner reads when it is loaded. */
const hooks = process.getBuiltinModule('node:async_hooks') as unknown as {
  createHook: (callbacks: HookCallbacks) => AsyncHook
  executionAsyncId: () => number
}
const resources = AsyncResource.prototype as unknown as { runInAsyncScope: Run }

const { createHook, executionAsyncId } = hooks
const { runInAsyncScope } = resources
/** Async id of the test that runs here. */
const running = new AsyncLocalStorage<number>()

/** What the runner wants to hear of its tests; null until it says so. */
let tell: Init | null = null

hooks.createHook = (callbacks) => {
  const isOfRunner = Object.keys(callbacks).toSorted().join() === 'destroy,init'
  if (!isOfRunner || tell !== null) return createHook(callbacks)
  tell = (...args) => callbacks.init?.(...args)
  return createHook({})
}

hooks.executionAsyncId = () => running.getStore() ?? executionAsyncId()

resources.runInAsyncScope = function runWithin(this: AsyncResource, run, thisArg, ...args) {
  if (tell === null || !isTest(this)) {
    return Reflect.apply(runInAsyncScope, this, [run, thisArg, ...args])
  }
  const id = this.asyncId()
  tell(id, 'Test', 0, this)
  // Inside the scope, which begins with what was there when the test was declared.
  const within = (): unknown => running.run(id, () => Reflect.apply(run as Run, thisArg, args))
  return Reflect.apply(runInAsyncScope, this, [within, null])
}

/** A test, suite or hook of the runner. */
function isTest(resource: AsyncResource): boolean {
  return 'createSubtest' in resource
}
