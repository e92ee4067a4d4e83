"""The transparency log: an append-only Merkle tree of published keys, in C2SP's formats.

The verifier's side (`merkle`, `note`, `checkpoint`, `cosignature`, `tlog_proof`, `entry`,
`verifier`) never imports the side that writes (`signing`, `tiles`, `reader`, `journal`, `store`,
`witness`). `docs/log-format.md` has the bytes.
"""
