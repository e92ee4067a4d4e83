"""What claims prove about commitments: one folder a scheme, behind one seam.

`statements` and `provers` are the only modules that know all schemes; `wmproof.commitment` has the
native parts.
"""
