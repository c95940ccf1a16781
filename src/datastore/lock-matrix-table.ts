/**
 * The table of datastore-semantics.md 20.1 as text, one line per running operation: outcome and mechanisms of each
 * operation that starts meanwhile, in the order of OPERATIONS. Read by lock-matrix.ts, which explains the letters.
 */
export const MATRIX_TABLE = `
RI | · | A a | · | A o | · | A u | A u | · | · | · | · | A a | · | · | A u | A u | A u | X | A u
CI | · | A a | A o / F p | A o / F p | F | F s | S s | F g | S s | F s | A c | · | S g | F s | F g | F g | A p | A f | F g
GM | · | A o / F p | F q p d | F q p d | · | A n r | A n r | A o / F p | · | · | A c | A a | A o / F p | · | A n | A n | X | A | A j
GS | · | A o / F p | F q p d | F q p d | · | A | A | A o / F p | A | A | W c / W k | W c | A o / F p | A | A | A | X | W c k | A
UM | A a | · | · | · | W m | W m | W m | W m | W m | A a | · | · | W m | A a | W m | W m | A | · | W m
FS | A u / n | · | A n r | · | W m | F s | S s | F s | S s | F s | · | · | F s | F s | F s | F s | A | · | F s
PR | · | · | A n r | · | W m | F s | S s | A / F s | S s | F s | · | · | A / F s | F s | F s | F s | A | · | F s
BK | A a | · | A o / F p | A o / F p | W m | F s | S s | F g | S s / A | F s / A | A c k | A a | S g | F s / A | F g | F g | A p | A f | F g
VF | · | · | · | A | W m | F s | S s | A | A | A | A a | A | F s | A | F s | F s | X | A c k | F s
RD | · | · | · | A | A a | F s | S s | A | A | A | · | A a | F s | A | F s | F s | A | X | F s
SU | A a | · | A c | W c / S k | · | · | · | · | A a | A a | W c / W k | W l c | · | · | · | · | A p | W c / W k | ·
CE | A a | · | · | W c | · | · | · | · | A a | A a | W l c | W l | W l c | A a | · | · | A | W l c | ·
PL | · | · | A o / F p | A o / F p | W m | F s / A | S s | F g | S s | F s / A | A c k | · | S g | F s / A | F g | F g | A p | A f | F g
PS | · | · | A | A | A a | F s | S s | A | A | A | · | · | F s | A | F s | F s | A | X | F s
ND | · | · | A n | · | W m | F s g / n | F s g / n | A / F g | S s | F s | · | · | A / S g | F s | F s g / n | F s g / n | A | · | F g
GD | · | · | A n | · | W m | F s | S s | F g | S s | F s | · | · | S g | F s | F g | F g | A | · | F g
RS | · | A / F g | F p | F p | W m | F s g | F s g | A / F g | A s | A s | A a | A a | A / F g | A s | F s g | F s g | A | A | F s g
BD | A | · | A | W c k | · | · | · | A f | A n | A | W c / W k | W l c | A f | A | · | · | A | A n | ·
MV | A u | · | A j | · | W m | F s | S s | F g | S s | F s | · | · | S g | F s | F g | F g | A | · | F g
`
