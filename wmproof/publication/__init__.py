"""Published before use: evidence of when a key was public (docs/publication.md)."""
