"""Whether a circuit stands for its model: both answer the same pictures.

A claim is about the circuit. That it says something of the model as ONNX Runtime runs it is seen
on pictures that the claimant did not choose for this: the compiler's probes, opened triggers, and
the judge's own. Nothing shows it for the hidden triggers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from wmproof.circuit.ir import Circuit
from wmproof.circuit.probes import draw_probes
from wmproof.circuit.report import circuit_answers
from wmproof.core.policy import Policy
from wmproof.errors import VerificationError
from wmproof.models.base import fit_images
from wmproof.models.file import ModelFile
from wmproof.models.onnx_file import OnnxClassifier

# Pictures of each kind that is not the judge's: they bound a verifier's work.
SHOWN = 64


@dataclass(frozen=True)
class Agreement:
    """How often circuit and model give one answer."""

    name: str
    """Whose pictures."""
    pictures: int
    agreeing: int

    @property
    def share(self) -> Fraction:
        """Of the pictures."""
        return Fraction(self.agreeing, self.pictures)

    def __str__(self) -> str:
        return f"{self.agreeing} of {self.pictures} {self.name}"


def measure_agreement(
    model: ModelFile, circuit: Circuit, opened: NDArray[np.uint8], policy: Policy
) -> tuple[Agreement, ...]:
    """Run both on probes, on opened triggers and on the judge's own pictures.

    Parameters
    ----------
    model : ModelFile
    circuit : Circuit
        Compiled from it.
    opened : ndarray of uint8, shape (n, C, H, W)
    policy : Policy

    Raises
    ------
    InputError
        The judge's pictures do not fit the model.
    """
    sets = {
        "probe pictures": draw_probes(SHOWN, circuit.input_shape),
        "opened triggers": opened[:SHOWN],
    }
    if policy.images is not None:
        sets["pictures of the judge"] = fit_images(policy.images, circuit.input_shape)
    shape = circuit.input_shape
    classifier = OnnxClassifier(model, input_shape=shape, reading=policy.reading)
    sets = {name: images for name, images in sets.items() if len(images)}
    everything = np.concatenate(list(sets.values()))
    same = circuit_answers(circuit, everything) == classifier.classify(everything)
    ends = np.cumsum([len(images) for images in sets.values()])[:-1]
    return tuple(
        Agreement(name, len(part), int(part.sum()))
        for name, part in zip(sets, np.split(same, ends), strict=True)
    )


def check_agreement(agreements: Sequence[Agreement], policy: Policy) -> None:
    """Raise VerificationError, check ``agreement``, unless each set reaches the policy's share."""
    for item in agreements:
        if item.share < policy.agreement:
            raise VerificationError(
                "agreement",
                f"the circuit does not stand for this model: the two agree on {item} only, and "
                f"{float(policy.agreement):.0%} are asked for",
                numbers={"pictures": item.pictures, "agreeing": item.agreeing},
            )
