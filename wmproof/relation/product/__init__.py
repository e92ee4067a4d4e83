"""The accumulators of a node that multiplies two tensors."""
