"""The field F_p, its extension K, and arrays over both."""
