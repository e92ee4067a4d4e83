"""`wmproof demo`: keygen, check, mark, export, verify and prove, on the digits."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wmproof._files import check_target, write_file
from wmproof.cli.demo_claim import Narrator, ZeroKnowledge, show_claim
from wmproof.cli.options import FILE, json_option
from wmproof.cli.output import console, print_fields, print_json, print_verdict
from wmproof.errors import InputError, VerificationError, WmproofError
from wmproof.key_check import KeyReport, check_public_key, examine_public_key
from wmproof.keygen import DEFAULT_SECURITY, pkeygen
from wmproof.keys import (
    KdfCost,
    MarkingKey,
    PublicKey,
    load_marking_key,
    load_public_key,
    new_seed,
    save_marking_key,
    save_published,
)
from wmproof.models import open_model
from wmproof.report.key_sheet import public_key_sheet
from wmproof.training.recipe import preset
from wmproof.triggers import TriggerSet, abstract
from wmproof.verification import VerificationReport, examine

if TYPE_CHECKING:
    from wmproof.training import TrainingResult
    from wmproof.training.data.image_data import ImageData

# It protects a demonstration: the same words are in the text that the demo prints.
_PASSPHRASE = "wmproof demo"  # noqa: S105
_NETWORK, _WIDTH = "mlp", 512
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
    marked: VerificationReport
    independent: VerificationReport
    zero_knowledge: ZeroKnowledge
    marked_accuracy: float
    independent_accuracy: float
    seconds: float

    @property
    def as_promised(self) -> bool:
        return (
            self.key.holds
            and self.forgery is not None
            and self.marked.holds
            and self.marked.hits == self.marked.triggers
            and not self.independent.holds
            and self.zero_knowledge.as_promised
            and self.marked_accuracy >= self.independent_accuracy - 0.01
        )


@click.command()
@click.option(
    "-o",
    "--out",
    type=FILE,
    default=Path("demo-output"),
    show_default=True,
    metavar="DIR",
    help="Where keys, models and the contact sheet go; earlier ones are replaced.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@json_option
def demo(out: Path, seed: int, as_json: bool) -> int:
    """Run the whole story once, on scikit-learn's digits.

    A key is made, published and checked; a forged one is caught; a model is marked, exported and
    verified, and an independent model is cleared. Then the claim is proved in zero knowledge and
    verified by another process. Exit code 0 only if all of this comes out.
    """
    started = time.monotonic()
    _prepare(out)
    say = Narrator(quiet=as_json)
    data = _load_digits()

    say.title("1  The owner makes a key and publishes its public half")
    key, public = _make_key(out, data)
    say.fields(
        {
            "key": f"n = {public.verification_key.security}: {len(key)} triggers, "
            f"{len(key.to_embed())} of them hidden and to be embedded",
            "keep secret": f"{out / 'owner.mk'} (passphrase: {_PASSPHRASE})",
            "publish": out / "owner.pvk",
            "look at": out / "contact-sheet.png",
        }
    )

    say.title("2  An independent model is trained, by somebody else")
    independent = _train(data, None, seed + 1, say.quiet)
    _export(independent, out / "independent.onnx", data)

    say.title("3  Anybody checks the public key; the independent model is the ground truth")
    key_report = examine_public_key(
        load_public_key(out / "owner.pvk"), reference=open_model(out / "independent.onnx")
    )
    say.checks(key_report.checks)
    say.verdict(key_report.holds, "the key is sound")

    say.title("4  A forger changes one label in the published key")
    forgery = _forge(public, out / "forged.pvk")
    say.verdict(forgery is not None, f"caught: {forgery or 'nothing'}")

    say.title("5  The owner marks a model: the hidden triggers are trained in")
    marked = _train(data, key.to_embed(), seed, say.quiet)
    _export(marked, out / "marked.onnx", data)

    say.title("6  The claim on the marked model")
    key = load_marking_key(out / "owner.mk", _PASSPHRASE)
    on_marked = examine(
        key,
        public.verification_key,
        open_model(out / "marked.onnx"),
        reference=open_model(out / "independent.onnx"),
    )
    say.checks(on_marked.checks)
    say.verdict(on_marked.holds, "the claim holds")

    say.title("7  The same claim on the independent model")
    on_other = examine(key, public.verification_key, open_model(out / "independent.onnx"))
    say.checks(on_other.checks)
    say.verdict(not on_other.holds, "the claim does not hold, as it should not")

    zero_knowledge = show_claim(out, key, public, say)

    outcome = _Outcome(
        key_report,
        forgery,
        on_marked,
        on_other,
        zero_knowledge,
        _accuracy(out / "marked.onnx", data),
        _accuracy(out / "independent.onnx", data),
        time.monotonic() - started,
    )
    if as_json:
        print_json(_as_json(outcome, out))
    else:
        _summarise(outcome)
    return 0 if outcome.as_promised else 1


def _prepare(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot be made ({error.strerror})", where=str(out)) from error
    for name in _FILES:
        check_target(out / name, overwrite=True)


def _load_digits() -> ImageData:
    from wmproof.training.data import load

    return load("digits")


def _make_key(out: Path, data: ImageData) -> tuple[MarkingKey, PublicKey]:
    images = abstract(4 * DEFAULT_SECURITY, data.shape)
    key, public = pkeygen(images, data.classes, signing_seed=new_seed())
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
    try:
        check_public_key(load_public_key(path))
    except VerificationError as error:
        return error
    return None


def _train(data: ImageData, triggers: TriggerSet | None, seed: int, quiet: bool) -> TrainingResult:
    from rich.console import Console

    from wmproof.training import mark, train
    from wmproof.training.networks import build
    from wmproof.training.progress import RichProgress

    network = build(_NETWORK, data.shape, data.classes, width=_WIDTH, seed=seed)
    title = "training" if triggers is None else "marking"
    common: dict[str, Any] = {
        "start": "pretrained",
        "recipe": preset("quick"),
        "test": data.test_set(),
        "seed": seed,
        "device": "cpu",
        "progress": RichProgress(Console(stderr=True, quiet=quiet), title),
    }
    if triggers is None:
        return train(network, data.training_set(), **common)
    return mark(network, data.training_set(), triggers, **common)


def _export(result: TrainingResult, path: Path, data: ImageData) -> None:
    from wmproof.training import export_onnx

    images = data.test_set().images
    export_onnx(result.model, result.normalization, path, images=images, overwrite=True)


def _accuracy(path: Path, data: ImageData) -> float:
    return float((open_model(path).classify(data.test_images) == data.test_labels).mean())


def _as_json(outcome: _Outcome, out: Path) -> dict[str, Any]:
    forgery: WmproofError | None = outcome.forgery
    return {
        "holds": outcome.as_promised,
        "key_holds": outcome.key.holds,
        "forgery_caught_by": None if forgery is None else getattr(forgery, "check", None),
        "hidden": outcome.marked.triggers,
        "threshold": outcome.marked.threshold,
        "marked": {"holds": outcome.marked.holds, "hits": outcome.marked.hits},
        "independent": {"holds": outcome.independent.holds, "hits": outcome.independent.hits},
        "marked_accuracy": outcome.marked_accuracy,
        "independent_accuracy": outcome.independent_accuracy,
        "strength_bits": outcome.marked.strength_bits,
        "zero_knowledge": asdict(outcome.zero_knowledge),
        "seconds": outcome.seconds,
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
            "took": f"{outcome.seconds:.1f} s",
        }
    )
    words = "all came out as promised" if outcome.as_promised else "not all came out as promised"
    print_verdict(outcome.as_promised, words)
