"""The prover's arithmetic in compiled kernels; `algebra` has the verifier's, in NumPy.

Nothing that says yes or no imports this package: kernels may be fast and obscure, because what
they compute is proved, and whoever checks the proof runs none of them. Where both packages have a
function of one name, it returns the same bits.
"""

try:
    import numba as numba
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "proving needs Numba: pip install 'wmproof[prove]'", name=error.name
    ) from None
