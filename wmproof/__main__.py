"""`python -m wmproof`, the same as `wmproof`."""

from wmproof.cli.app import main

main()
