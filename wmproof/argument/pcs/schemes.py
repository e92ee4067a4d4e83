"""The polynomial commitment in use.

Another one beside it needs another `system.statement.MAGIC`, which says whose proof a file is.
"""

from wmproof.argument.pcs.commitment import PolynomialCommitment
from wmproof.argument.pcs.ligero.commitment import Ligero

SCHEME: type[PolynomialCommitment] = Ligero
