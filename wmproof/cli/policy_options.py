"""Options that say what a judge demands: one `Policy` for whatever command."""

import functools
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import click

from wmproof.cli.options import (
    AGREEMENT,
    FILE,
    TOLERANCE,
    Number,
    Option,
    gathered,
    reference_option,
)
from wmproof.cli.reading_options import READING, make_reading
from wmproof.core.policy import DEFAULT_AGREEMENT, DEFAULT_SECURITY, DEFAULT_STRENGTH, Policy
from wmproof.core.triggers import Shape, as_planes

_Command = TypeVar("_Command", bound=Callable[..., Any])
PolicyFor = Callable[[Shape], Policy]
"""The policy, once the shape of the key's images is known."""

_OPTIONS: dict[str, Option] = {
    "strength": click.option(
        "--minimum-strength",
        "strength",
        type=Number(0),
        default=DEFAULT_STRENGTH,
        metavar="BITS",
        help="Accept no claim that is worth less.",
    ),
    "tolerance": click.option(
        "--tolerance",
        type=TOLERANCE,
        help="The paper's rule beside that: the share of triggers that a model may miss.",
    ),
    "security": click.option(
        "--minimum-security",
        "security",
        type=click.IntRange(0),
        default=DEFAULT_SECURITY,
        metavar="N",
        help="Accept no public key of a smaller n.",
    ),
    "accept_chosen_labels": click.option(
        "--accept-chosen-labels",
        is_flag=True,
        help="Accept labels of the owner's choice: you vouch for them.",
    ),
    "forgiven": click.option(
        "--forgive",
        "forgiven",
        type=click.IntRange(0),
        default=0,
        metavar="B",
        help="Opened secret labels that may be what the reference answers.",
    ),
    "reference": reference_option,
    "signer": click.option(
        "--signer",
        metavar="KEY",
        help="Require a signature by this Ed25519 key: 64 hex digits, or a PEM or SSH file.",
    ),
    **READING,
    "images": click.option(
        "--images",
        type=FILE,
        metavar="FOLDER|FILE.npz",
        help="Pictures of your own, on which the circuit must agree with the model.",
    ),
    "agreement": click.option(
        "--minimum-agreement",
        "agreement",
        type=AGREEMENT,
        default=str(float(DEFAULT_AGREEMENT)),
        help="The least share of pictures on which circuit and model agree.",
    ),
}
CLAIM = ("strength", "tolerance", "accept_chosen_labels", "reference", "signer")
PUBLIC_KEY = (*CLAIM, "security", "forgiven")
CIRCUIT = (*READING, "images", "agreement")


def policy_options(*names: str) -> Callable[[_Command], _Command]:
    """Add these options and pass one `policy_for` instead of them."""

    def make(given: dict[str, Any]) -> PolicyFor:
        return functools.partial(make_policy, **{name: given.pop(name) for name in names})

    return gathered("policy_for", [_OPTIONS[name] for name in names], make)


def make_policy(
    shape: Shape,
    *,
    reference: Path | None = None,
    signer: str | None = None,
    images: Path | None = None,
    tolerance: Fraction | None = None,
    **plain: Any,
) -> Policy:
    """Open what the options name."""
    from wmproof.keys import load_signer
    from wmproof.models import open_model

    if set(READING) <= set(plain):
        plain["reading"] = make_reading(plain)
    if images is not None:
        from wmproof.circuit.images import read_images

        plain["images"] = read_images(images, as_planes(shape), plain.get("reading")).images
    return Policy(
        tolerance=tolerance,
        reference=open_model(reference, input_shape=shape) if reference else None,
        signer=load_signer(signer) if signer else None,
        **plain,
    )
