"""Evidence bundles: everything that a judge checks, in one file, and what it does not show.

`format` knows bytes, `pack` makes bundles, `verifier` checks them against trust that is given
explicitly, `dispute` compares two. Nothing here uses a network.
"""
