"""Sumcheck over a sum of products of multilinears with an eq factor.

Statement: ``claim = sum_x eq(point, x) F(x)`` over x in {0,1}^n, where F is a sum of products of at
most d multilinears. Source: Lund et al. 1992; the treatment of eq is Gruen's (ePrint 2024/108),
with the claim normalised: write the round polynomial as eq(point_i, X) h_i(X) times what earlier
rounds fixed, and divide that factor out of the claim. Then

    round i:  the prover sends c_1..c_d of h_i(X) = sum_j c_j X^j;
              c_0 = claim - point_i * sum_(j>=1) c_j   (so that h_i fits the claim);
              the new claim is h_i(r_i) = claim + sum_j c_j (r_i^j - point_i).

After n rounds the claim is F(r) itself. The claim enters with coefficient 1, so under encryption
an expression only grows, by d terms a round. A sum without eq factor is the case point = (1/2,
..., 1/2) with the claim divided by 2^n.

*Soundness*: a false claim survives with probability at most n (d + 1) / |K|: (1 - point_i, point_i)
h_i is a polynomial of degree d + 1 that the prover fixes before r_i.
"""
