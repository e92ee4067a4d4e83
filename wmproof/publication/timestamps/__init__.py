"""Timestamps by others: RFC 3161 authorities and, through OpenTimestamps, Bitcoin.

Verification is a pure function of bytes and explicitly given trust: certificates that the verifier
chose, block headers that the verifier got. `authority` and `calendars` are the only modules here
that use a network.
"""
