"""The proof system: fields, codes, sumchecks and lookups; it knows nothing of networks."""
