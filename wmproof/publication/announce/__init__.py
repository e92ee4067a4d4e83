"""Saying 'mine' where people look: in a model's card, and in its signed manifest. All offline.

Neither proves anything: they lead whoever reads them to the public key, whose digest they carry.
"""
