"""Enough hidden triggers are answered with their labels."""
