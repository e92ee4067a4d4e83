"""PVerify (appendix A.1.3): a public, repeatable, zero-knowledge claim about an ONNX model.

`prover.prove_claim` makes a claim file, `verifier.verify_claim` checks one, and `session` and
`session_prover` talk over a connection, with the verifier's own coins. The verifier imports no
prover and no torch.
"""
