"""A linear form of committed values has a given value."""
