"""Lookups: every row of some witness columns is a row of a public table (LogUp by GKR).

Source: Haboeck, 'Multivariate lookups based on logarithmic derivatives' (ePrint 2022/1530); Papini
and Haboeck, 'Improving logarithmic derivative lookups using GKR' (ePrint 2023/1284).

For random a and beta, and rows w_x, t_y of the witness and the table compressed to
w_x = sum_j beta^j column_j[x], the claim holds if and only if, up to probability
(N + T) max(1, width - 1) / |K| over a and beta, committed multiplicities m satisfy

    sum_x 1 / (a - w_x)  =  sum_y m_y / (a - t_y).

Each side is a tree of fraction additions (n0 / d0) + (n1 / d1) = (n0 d1 + n1 d0) / (d0 d1), proved
from the root down: a layer's claim, numerator + lambda * denominator at a point, is one sumcheck
over its children, of which the two halves are joined by one more challenge. Witness leaves have
numerator 1: their layer is the single product lambda (d0 + 1/lambda)(d1 + 1/lambda) - 1/lambda.

Several groups of columns may use one table, and a group may have any length: up to the next power
of two it counts as filled with one row of the table. Where a group's entries are `blocks` times a
power of two, the last variables are those that say which block: all levels of its tree but the
smallest have the same entry in place of each block that there is not, so that only blocks that
there are cost anything.

Fractions are compared crosswise: as polynomials in a, so no denominator needs to be inverted, and
that none vanishes is part of the error above. The multiplicities must be committed before a and
beta are drawn; that is the caller's duty, and `system` sees to it.
"""
