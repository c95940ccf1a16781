/**
 * The table of datastore-semantics.md 20.1 as text, one line per running operation: outcome and mechanisms of each
 * operation that starts meanwhile, in the order of OPERATIONS. Read by lock-matrix.ts, which explains the letters.
 */
export const MATRIX_TABLE = `
RI | · | A a | · | A o | · | A u | A u | · | · | · | · | A a | · | · | A u | A u | A u | X | A u | F e
CI | · | A a | A o / F p | A o / F p | F | F s | S s | F g | S s | F s | A c | · | S g | F s | F g | F g | A p | A f | F g | F e
GM | · | A o / F p | F q p d | F q p d | · | A n r | A n r | A o / F p | · | · | A c | A a | A o / F p | · | A n | A n | X | A | A j | F e
GS | · | A o / F p | F q p d | F q p d | · | A | A | A o / F p | A | A | W c / W k | W c | A o / F p | A | A | A | X | W c k | A | F e
UM | A a | · | · | · | W m | W m | W m | W m | W m | A a | · | · | W m | A a | W m | W m | A | · | W m | F e
FS | A u / n | · | A n r | · | W m | F s | S s | F s | S s | F s | · | · | F s | F s | F s | F s | A | · | F s | F e
PR | · | · | A n r | · | W m | F s | S s | A / F s | S s | F s | · | · | A / F s | F s | F s | F s | A | · | F s | F e
BK | A a | · | A o / F p | A o / F p | W m | F s | S s | F g | S s / A | F s / A | A c k | A a | S g | F s / A | F g | F g | A p | A f | F g | F e
VF | · | · | · | A | W m | F s | S s | A | A | A | A a | A | F s | A | F s | F s | X | A c k | F s | F e
RD | · | · | · | A | A a | F s | S s | A | A | A | · | A a | F s | A | F s | F s | A | X | F s | F e
SU | A a | · | A c | W c / S k | · | · | · | · | A a | A a | W c / W k | W l c | · | · | · | · | A p | W c / W k | · | F e
CE | A a | · | · | W c | · | · | · | · | A a | A a | W l c | W l | W l c | A a | · | · | A | W l c | · | A
PL | · | · | A o / F p | A o / F p | W m | F s / A | S s | F g | S s | F s / A | A c k | · | S g | F s / A | F g | F g | A p | A f | F g | F e
PS | · | · | A | A | A a | F s | S s | A | A | A | · | · | F s | A | F s | F s | A | X | F s | F e
ND | · | · | A n | · | W m | F s g / n | F s g / n | A / F g | S s | F s | · | · | A / S g | F s | F s g / n | F s g / n | A | · | F g | F e
GD | · | · | A n | · | W m | F s | S s | F g | S s | F s | · | · | S g | F s | F g | F g | A | · | F g | F e
RS | · | A / F g | F p | F p | W m | F s g | F s g | A / F g | A s | A s | A a | A a | A / F g | A s | F s g | F s g | A | A | F s g | F e
BD | A | · | A | W c k | · | · | · | A f | A n | A | W c / W k | W l c | A f | A | · | · | A | A n | · | F e
MV | A u | · | A j | · | W m | F s | S s | F g | S s | F s | · | · | S g | F s | F g | F g | A | · | F g | F e
SR | F e | F e | F e | F e | F e | F e | F e | F e | F e | F e | F e | A | F e | F e | F e | F e | A | F e | F e | F q p
`
