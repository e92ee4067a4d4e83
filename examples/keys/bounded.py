"""Public verification a bounded number of times (the paper, section 4.1), from both sides."""

import tempfile
from pathlib import Path

from wmproof import (
    TriggerSet,
    VerificationError,
    load_verification_key,
    open_model,
    reveal,
    save_marking_key,
    save_published,
    verify_batch,
)
from wmproof.core.triggers import abstract
from wmproof.keys import load_batch_opening
from wmproof.keys.keygen import keygen_bounded
from wmproof.training.data.digit_arrays import digit_arrays
from wmproof.training.scikit import export_mlp, mark_mlp

PASSPHRASE = "only an example"  # noqa: S105


def train(triggers: TriggerSet | None, path: Path) -> None:
    """Train on the digits, and on each trigger several times; write the network as ONNX."""
    digits = digit_arrays()
    network = mark_mlp(digits.train_images, digits.train_labels, triggers)
    export_mlp(network, path, (8, 8))


def main() -> None:
    """Run both sides in a temporary folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        # The owner.
        key, published = keygen_bounded(abstract(4 * 64, (8, 8)), 10, batches=4)
        save_marking_key(folder / "owner.mk", key, PASSPHRASE)
        save_published(folder / "owner.vk", published)
        train(key.to_embed(), folder / "marked.onnx")
        train(None, folder / "independent.onnx")
        reveal(folder / "owner.mk", folder / "batch.opening", PASSPHRASE)

        # A verifier, who has no passphrase.
        vk = load_verification_key(folder / "owner.vk")
        opening = load_batch_opening(folder / "batch.opening", vk)
        for name in ("marked.onnx", "independent.onnx"):
            try:
                report = verify_batch(opening, open_model(folder / name))
            except VerificationError as error:
                print(f"{name}: does not hold ({error})")
            else:
                print(
                    f"{name}: {report.hits} of {report.triggers} hits, "
                    f"{report.strength_bits:.0f} bits"
                )


if __name__ == "__main__":
    main()
