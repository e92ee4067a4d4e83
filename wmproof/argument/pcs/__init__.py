"""The polynomial commitment: `commitment` says what an argument asks of it, `ligero` answers.

`schemes` and `provers` name the one that is in use; nothing else outside of its folder does.
"""
