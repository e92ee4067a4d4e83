"""What a judge demands: one object that goes unchanged through API, commands, bundle and web.

Nothing in it comes from whoever makes a claim. What a file says of the same matters (which pixels
its model takes, say) is compared with it and never put in its place.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from wmproof.core.classifier import Classifier
from wmproof.core.reading import Reading, as_reading
from wmproof.core.strength import as_share, as_tolerance
from wmproof.errors import InputError

DEFAULT_STRENGTH = 128
DEFAULT_SECURITY = 128
DEFAULT_AGREEMENT = Fraction(9, 10)


@dataclass(frozen=True, eq=False)
class Policy:
    """A judge's demands.

    Parameters
    ----------
    strength : float
        A claim holds if a false one like it takes 2**strength hash calls or more.
    tolerance : Fraction, optional
        The paper's rule beside that: the largest share of triggers that may miss. A float is the
        decimal that was written.
    security : int
        The n below which a public key is refused: whoever makes keys can try 2**n of them.
    accept_chosen_labels : bool
        Whether labels may be the owner's choice. Then no strength by chance can be computed, and
        the judge vouches for the labels himself.
    forgiven : int
        Opened secret labels that may be what the reference answers.
    reference : Classifier, optional
        Stands in for the ground truth.
    signer : bytes, optional
        Ed25519 public key, 32 bytes, that must have signed.
    pixels : str
        What a float model takes: 'raw' for 0 to 255, 'unit' for 0 to 1.
    reading : Reading
        That and all else that a model's file does not say of its input and output.
    images : ndarray of uint8, shape (n, H, W) or (n, C, H, W), optional
        Pictures of the judge's own, on which a circuit must agree with the model that it stands
        for.
    agreement : Fraction
        The least share of pictures on which the two must give one answer.

    Raises
    ------
    InputError
        A value is out of its range.
    """

    strength: float = DEFAULT_STRENGTH
    tolerance: Fraction | None = None
    security: int = DEFAULT_SECURITY
    accept_chosen_labels: bool = False
    forgiven: int = 0
    reference: Classifier | None = None
    signer: bytes | None = None
    pixels: str = "raw"
    reading: Reading = Reading()  # noqa: RUF009 - frozen
    images: NDArray[np.uint8] | None = None
    agreement: Fraction = DEFAULT_AGREEMENT

    def __post_init__(self) -> None:
        if self.tolerance is not None:
            object.__setattr__(self, "tolerance", as_tolerance(self.tolerance))
        if not (math.isfinite(self.strength) and self.strength >= 0):
            raise InputError(f"a strength of {self.strength} bits is not 0 or more")
        if self.security < 0 or self.forgiven < 0:
            raise InputError("the least security and the forgiven labels are 0 or more")
        object.__setattr__(self, "reading", as_reading(self.pixels, self.reading))
        object.__setattr__(self, "pixels", self.reading.pixels)
        object.__setattr__(self, "agreement", as_share(self.agreement, "agreement"))
