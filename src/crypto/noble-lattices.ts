// Loaded by import() alone, so that it costs nothing where it is not used.
export { ml_dsa44, ml_dsa65, ml_dsa87 } from '@noble/post-quantum/ml-dsa.js'
export { ml_kem512 } from '@noble/post-quantum/ml-kem.js'
