"""The circuit maps the triggers to the logits."""
