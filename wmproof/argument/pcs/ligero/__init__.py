"""Commitments to matrices: Reed-Solomon rows, Merkle-hashed columns, and what is proved of them.

Source: Ames et al., *Ligero* (CCS 2017, ePrint 2022/1608). Two matrices are committed:

- the *witness*, large, over F_p (`evaluation_prover`, `evaluation_verifier`): read as one
  multilinear polynomial, its values at any points are proved by one random combination of its
  rows;
- the *pads*, small, over K (`pad_prover`, `pad_verifier`): linear and quadratic constraints on
  them are what is left of the encrypted transcript (see `channel`).

Opened columns reveal nothing, because each row has as many random coefficients as columns are
opened (`reed_solomon`); combinations of rows reveal nothing, because random rows enter them.
"""
