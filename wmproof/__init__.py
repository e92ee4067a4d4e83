"""Prove in public that a neural network is yours."""

__version__ = "0.1.0"
