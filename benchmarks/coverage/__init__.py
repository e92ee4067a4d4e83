"""Which classifiers compile, how their circuits agree beside int8, and which are proved.

`python -m benchmarks.coverage --help` says how to run it; `networks.py` which classifiers are tried
and what their weights are; `row.py` is what is done with each, in a process of its own.
"""
