"""Claims in zero knowledge about stolen copies: trained on, pruned, and learned by asking."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from wmproof import (
    MarkingKey,
    Policy,
    PublicKey,
    WmproofError,
    abstract,
    pkeygen,
    prove_claim,
    verify_claim,
)
from wmproof.core.directions import GROUP, directions
from wmproof.pverify.report import ClaimReport
from wmproof.training import Perturbation, TrainingResult, export_onnx, mark, preset
from wmproof.training.attacks.distillation import distill
from wmproof.training.attacks.finetuning import fine_tune
from wmproof.training.attacks.pruning import prune_magnitude
from wmproof.training.data import load
from wmproof.training.networks import build
from wmproof.training.recipe import Recipe, Tilt

# What a copy's claim shows, or why there is none.
Claims = dict[str, ClaimReport | WmproofError]

RECIPE = replace(preset("quick"), epochs=30, augment=False)
DIGITS = load("digits")
DATA, TEST = DIGITS.training_set(), DIGITS.test_set()
NETWORK = build("mlp", DIGITS.shape, DIGITS.classes, width=128)


def main() -> None:
    """Mark two networks of the digits, steal them, and claim each copy."""
    print("Marked with single triggers:", flush=True)
    show(single_triggers())
    print("Marked with directions:", flush=True)
    show(keyed_directions())


# Small keys make a quick example. Real ones have n = 128, and judges ask for 128 bits. A network
# carries some forty directions, of which a key hides half, so theirs has no more than 80 groups.


def single_triggers(recipe: Recipe = RECIPE, security: int = 32, strength: int = 40) -> Claims:
    """Mark with pictures far from the task: what changes weights leaves them, copying does not."""
    pictures = abstract(4 * security, DIGITS.shape)
    key, public = pkeygen(pictures, DIGITS.classes, security=security)
    guarded = replace(recipe, perturbation=Perturbation())
    owner = mark(NETWORK, DATA, key.to_embed(), recipe=guarded, test=TEST)
    how = {"normalization": owner.normalization, "recipe": recipe, "test": TEST}
    pruned = prune_magnitude(owner.model, 0.5)
    copies = {
        "as it was marked": owner,
        "trained on at the first rate": fine_tune(owner.model, DATA, "FTAL", **how),
        "pruned by half": replace(owner, model=pruned),
        "pruned by half, then trained on": fine_tune(pruned, DATA, "FTAL", **how),
        "learned from its soft answers": distill(owner.model, NETWORK, DATA, seed=1, **how),
    }
    return claim(key, public, copies, Policy(strength=strength, security=security))


def keyed_directions(recipe: Recipe = RECIPE, security: int = 20, strength: int = 64) -> Claims:
    """Mark with directions, towards which all answers lean: a copy learns them too."""
    # The pictures of a group are drawn from the statistics of the task's images: none is shown.
    pictures = directions(DIGITS.train_images, 4 * security)
    key, public = pkeygen(pictures, DIGITS.classes, security=security, group=GROUP)
    owner = mark(NETWORK, DATA, key.to_embed(), recipe=replace(recipe, tilt=Tilt()), test=TEST)
    how = {"normalization": owner.normalization, "recipe": recipe, "test": TEST}
    copies = {
        "as it was marked": owner,
        "learned from its soft answers": distill(owner.model, NETWORK, DATA, seed=1, **how),
    }
    return claim(key, public, copies, Policy(strength=strength, security=security))


def claim(
    key: MarkingKey, public: PublicKey, copies: Mapping[str, TrainingResult], policy: Policy
) -> Claims:
    """Write each copy as a thief would publish it, and prove and verify what the judge asks for."""
    found: Claims = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "copy.onnx"
        for name, copy in copies.items():
            export_onnx(copy.model, copy.normalization, path, images=TEST.images, overwrite=True)
            try:
                # The owner, who has the key; then anybody, who has the file, the claim and pvk.
                proof = prove_claim(path, key, public, policy)
                found[name] = verify_claim(path, public, proof, policy)
            except WmproofError as error:
                found[name] = error
    return found


def show(claims: Claims) -> None:
    """Print what each claim shows."""
    for name, found in claims.items():
        if isinstance(found, WmproofError):
            print(f"  {name}: no claim ({found})")
        else:
            print(f"  {name}: {found.hits} are hit, {found.strength_bits:.0f} bits")


if __name__ == "__main__":
    main()
