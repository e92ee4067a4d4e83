"""Published before use (PROTOCOL section 7): evidence of when a key was public."""
