"""Committed values are bits."""
