"""Files, readers, arrays and threads, which every other part uses."""
