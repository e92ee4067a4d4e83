"""Triggers, labels, strength and the checks on them."""
