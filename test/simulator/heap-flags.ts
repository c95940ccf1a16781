/** A young generation that holds what a few schedules make: little of it lives longer. */
export const HEAP_FLAGS = ['--min-semi-space-size=64', '--max-semi-space-size=64']
