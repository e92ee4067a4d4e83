"""The whole statement of PVerify."""
