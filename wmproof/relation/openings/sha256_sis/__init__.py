r"""Openings of the two-layer commitment: v = A (r || m) mod p of every slot.

`wmproof.commitment.sha256_sis` has the scheme. Its verifier hashes each v and compares; what the
argument proves is linear.

The protocol, for all slots b at once. Parts of r are committed beside the message.

1. *Bytes*: every entry of r, and of m where nothing else says so, is in the table 0 .. 255.
2. For random rho the rows of A are combined to one, w_j = sum_i eq(rho, i) A_ij.
3. For each chunk and random tau, one linear form: sum_b eq(tau, b) <w, (r_b || m_b)> equals
   sum_b eq(tau, b) sum_i eq(rho, i) v_bi, which the verifier computes.

*Why nothing can wrap*: v = A (r || m) is meant modulo p, and the argument's equations are modulo
the same p, so the equation of step 3 is the statement itself and not a stand-in for one over the
integers. Binding needs no more than that, and that each entry of r and m is a byte as an integer,
which is step 1: an entry is an element of F_p, and 256 elements of F_p are in the table.

*Soundness*: a pair (b, i) for which the equation fails makes the combination over eq(tau, .)
eq(rho, .) fail, except with probability (9 + slot bits) / |K|; then linear forms and the lookup.
"""
