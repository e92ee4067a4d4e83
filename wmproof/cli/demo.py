"""`wmproof demo`: keygen, check, mark, export, verify and prove, on the digits."""

import contextlib
import io
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click

from wmproof._base.files import check_target, make_folder, write_file
from wmproof.cli.demo_claim import Kernels, ZeroKnowledge, print_title, show_claim
from wmproof.cli.options import FILE, json_option
from wmproof.cli.output import console, print_checks, print_fields, print_json, print_verdict
from wmproof.core.policy import DEFAULT_SECURITY, Policy
from wmproof.core.triggers import TriggerSet, abstract
from wmproof.errors import VerificationError
from wmproof.keys import (
    KdfCost,
    LabelMode,
    MarkingKey,
    PublicKey,
    VerificationKey,
    load_marking_key,
    load_public_key,
    new_seed,
    save_marking_key,
    save_published,
)
from wmproof.keys.check import KeyReport, check_public_key, examine_public_key
from wmproof.keys.keygen import pkeygen
from wmproof.models import open_model
from wmproof.report.key_sheet import public_key_sheet
from wmproof.training.data.digit_arrays import CLASSES, DigitArrays, digit_arrays
from wmproof.verification import VerificationReport, examine

# It protects a demonstration: the same words are in the text that the demo prints.
_PASSPHRASE = "wmproof demo"  # noqa: S105
_SHAPE = (1, 8, 8)
# The mark cost 0.4 points of test accuracy in the mean of 40 keys, and 1.8 at most.
_MOST_COST = 0.03
_FILES = (
    "owner.mk",
    "owner.pvk",
    "forged.pvk",
    "contact-sheet.png",
    "marked.onnx",
    "independent.onnx",
    "claim.proof",
)


@dataclass(frozen=True)
class _Outcome:
    """What the demo promises, with the figures behind it."""

    key: KeyReport
    forgery: VerificationError | None
    chosen_labels: VerificationError | None
    marked: VerificationReport
    independent: VerificationReport
    zero_knowledge: ZeroKnowledge
    marked_accuracy: float
    independent_accuracy: float
    seconds: float
    compilation_seconds: float

    @property
    def as_promised(self) -> bool:
        return (
            self.key.holds
            and self.forgery is not None
            and self.chosen_labels is not None
            and self.marked.holds
            and not self.independent.holds
            and self.zero_knowledge.as_promised
            and self.marked_accuracy >= self.independent_accuracy - _MOST_COST
        )


@click.command()
@click.option(
    "-o",
    "--out",
    type=FILE,
    default=Path("demo-output"),
    metavar="DIR",
    help="Where keys, models and the contact sheet go; earlier ones are replaced.",
)
@click.option("--seed", type=click.IntRange(0), default=0)
@json_option
def demo(out: Path, seed: int, as_json: bool) -> int:
    """Run the whole story once, on scikit-learn's digits.

    A key is made, published and checked; a forged one is caught; a model is marked, exported and
    verified, and an independent model is cleared. Then the claim is proved in zero knowledge and
    verified by another process. Exit code 0 only if all of this comes out.
    """
    _prepare(out)
    quiet = contextlib.redirect_stdout(io.StringIO()) if as_json else contextlib.nullcontext()
    with Kernels() as kernels, quiet:
        outcome = _run(out, seed, kernels)
    if as_json:
        print_json(_as_json(outcome, out))
    else:
        _summarise(outcome)
    return 0 if outcome.as_promised else 1


def _run(out: Path, seed: int, kernels: Kernels) -> _Outcome:
    started = time.monotonic()
    data = digit_arrays()

    print_title("1. The owner makes a key and publishes its public half")
    key, public = _make_key(out)
    print_fields(
        {
            "key": f"n = {public.verification_key.security}: {len(key)} triggers, "
            f"{len(key.to_embed())} of them hidden and to be embedded",
            "keep secret": f"{out / 'owner.mk'} (passphrase: {_PASSPHRASE})",
            "publish": out / "owner.pvk",
            "look at": out / "contact-sheet.png",
        }
    )

    print_title("2. An independent model is trained, by somebody else")
    _train(data, None, seed + 1, out / "independent.onnx")

    print_title("3. Anybody checks the public key; the independent model is the ground truth")
    key_report = examine_public_key(
        load_public_key(out / "owner.pvk"), Policy(reference=open_model(out / "independent.onnx"))
    )
    print_checks(key_report.checks)
    print_verdict(key_report.holds, "the key is sound")

    forgery, chosen = _catch_forgers(public, out)

    print_title("5. The owner marks a model: the hidden triggers are trained in")
    _train(data, key.to_embed(), seed, out / "marked.onnx")

    key = load_marking_key(out / "owner.mk", _PASSPHRASE)
    on_marked, on_other = _examine_both(key, public.verification_key, out)

    zero_knowledge = show_claim(out, key, public, kernels)

    return _Outcome(
        key_report,
        forgery,
        chosen,
        on_marked,
        on_other,
        zero_knowledge,
        _accuracy(out / "marked.onnx", data),
        _accuracy(out / "independent.onnx", data),
        time.monotonic() - started - kernels.waited,
        kernels.waited,
    )


def _catch_forgers(
    public: PublicKey, out: Path
) -> tuple[VerificationError | None, VerificationError | None]:
    print_title(
        "4. A forger changes one label in the published key; another chooses all labels himself"
    )
    forgery = _forge(public, out / "forged.pvk")
    print_verdict(forgery is not None, f"caught: {forgery or 'nothing'}")
    chosen = _choose_labels()
    print_verdict(chosen is not None, f"caught: {chosen or 'nothing'}")
    return forgery, chosen


def _examine_both(
    key: MarkingKey, vk: VerificationKey, out: Path
) -> tuple[VerificationReport, VerificationReport]:
    marked, independent = open_model(out / "marked.onnx"), open_model(out / "independent.onnx")
    print_title("6. The claim on the marked model")
    on_marked = examine(key, vk, marked, Policy(reference=independent))
    print_checks(on_marked.checks)
    print_verdict(on_marked.holds, "the claim holds")

    print_title("7. The same claim on the independent model")
    on_other = examine(key, vk, independent)
    print_checks(on_other.checks)
    print_verdict(not on_other.holds, "the claim does not hold, as it should not")
    return on_marked, on_other


def _prepare(out: Path) -> None:
    make_folder(out)
    for name in _FILES:
        check_target(out / name, overwrite=True)


def _make_key(out: Path) -> tuple[MarkingKey, PublicKey]:
    images = abstract(4 * DEFAULT_SECURITY, _SHAPE)
    key, public = pkeygen(images, CLASSES, signing_seed=new_seed())
    save_marking_key(out / "owner.mk", key, _PASSPHRASE, cost=KdfCost.INTERACTIVE, overwrite=True)
    save_published(out / "owner.pvk", public, overwrite=True)
    write_file(out / "contact-sheet.png", public_key_sheet(public), overwrite=True)
    return key, public


def _forge(public: PublicKey, path: Path) -> VerificationError | None:
    """Give the first opened trigger the next label, write that key, and have it checked."""
    triggers = public.opened.triggers
    labels = triggers.labels.copy()
    labels[0] = (labels[0] + 1) % triggers.classes
    changed = TriggerSet(triggers.images, labels, triggers.classes)
    # Signed anew by the forger, so that not the signature but the commitments give him away.
    forged = replace(public, opened=replace(public.opened, triggers=changed)).signed(new_seed())
    save_published(path, forged, overwrite=True)
    return _refusal(load_public_key(path))


def _choose_labels() -> VerificationError | None:
    """Make a key whose labels its maker chose, and have it checked."""
    images = abstract(4 * DEFAULT_SECURITY, _SHAPE)
    return _refusal(pkeygen(images, CLASSES, label_mode=LabelMode.SECRET)[1])


def _refusal(key: PublicKey) -> VerificationError | None:
    try:
        check_public_key(key)
    except VerificationError as error:
        return error
    return None


def _train(data: DigitArrays, triggers: TriggerSet | None, seed: int, path: Path) -> None:
    from wmproof.training.scikit import export_mlp, mark_mlp

    network = mark_mlp(data.train_images, data.train_labels, triggers, seed=seed)
    export_mlp(network, path, _SHAPE, overwrite=True)


def _accuracy(path: Path, data: DigitArrays) -> float:
    return float((open_model(path).classify(data.test_images) == data.test_labels).mean())


def _as_json(outcome: _Outcome, out: Path) -> dict[str, Any]:
    return {
        "holds": outcome.as_promised,
        "key_holds": outcome.key.holds,
        "forgery_caught_by": outcome.forgery and outcome.forgery.check,
        "chosen_labels_caught_by": outcome.chosen_labels and outcome.chosen_labels.check,
        "hidden": outcome.marked.triggers,
        "threshold": outcome.marked.threshold,
        "marked": {"holds": outcome.marked.holds, "hits": outcome.marked.hits},
        "independent": {"holds": outcome.independent.holds, "hits": outcome.independent.hits},
        "marked_accuracy": outcome.marked_accuracy,
        "independent_accuracy": outcome.independent_accuracy,
        "strength_bits": outcome.marked.strength_bits,
        "zero_knowledge": asdict(outcome.zero_knowledge),
        "seconds": outcome.seconds,
        "compilation_seconds": outcome.compilation_seconds,
        "files": {name: str(out / name) for name in _FILES},
    }


def _summarise(outcome: _Outcome) -> None:
    console().print("\n[bold]In short[/bold]")
    hidden = outcome.marked.triggers
    print_fields(
        {
            "marked model": f"test accuracy {outcome.marked_accuracy:.2%}, "
            f"{outcome.marked.hits} of {hidden} hidden triggers",
            "independent model": f"test accuracy {outcome.independent_accuracy:.2%}, "
            f"{outcome.independent.hits} of {hidden}",
            "worth": f"{outcome.marked.strength_bits:.1f} bits for {outcome.marked.threshold} "
            f"of {hidden} by chance",
            "claim": f"{outcome.zero_knowledge.bytes} bytes, which show nothing of the triggers",
            "took": f"{outcome.seconds:.1f} s, and {outcome.compilation_seconds:.1f} s of waiting "
            "for the compiler",
        }
    )
    words = "all came out as promised" if outcome.as_promised else "not all came out as promised"
    print_verdict(outcome.as_promised, words)
