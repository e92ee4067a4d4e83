"""What PVerify proves, in the argument's terms: networks, lookups, SHA-256 openings and hits.

`segments` names the parts of the committed witness, `linear_form` and `boolean` are the two
protocols that everything else is made of, and `claim` puts the whole relation together. In each
part the verifier's code imports no prover; docs/relation.md states the equations.
"""
