"""The whole argument: a committed witness, an encrypted transcript about it, and its openings.

The order of what is said, each challenge depending on everything before it:

    1. bound: protocol name, statement digest, all parameters
    2. commitments: root of the witness's columns, root of the pads' columns
    3. the protocol on top (lookups, sumchecks), under pads; it ends in claims W(point) = value
    4. the claims are batched over the rows, under pads; the combined row u is sent
    5. the pads' constraints: three polynomials
    6. proof of work; positions; columns, salts and Merkle siblings of both matrices
"""
