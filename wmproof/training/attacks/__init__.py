"""What a thief does to a marked network, as plain functions over torch modules.

Each takes a network on normalised inputs and leaves it as it was; training attacks go through
`wmproof.training.embedding` and return its `TrainingResult`, the others return a new network on
the same inputs. The same arguments and seed give the same network. An attack is one file here: its
tuple `ATTACKS` says how the experiments try it, see `registry`.
"""
