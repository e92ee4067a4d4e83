"""`wmproof examine`: what can be done about a suspect."""

import math
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from wmproof._base.progress import progress_bars
from wmproof.cli.options import FILE, ask_passphrase, gathered, json_option, passphrase_option
from wmproof.cli.output import print_fields, print_json, print_rows, print_verdict
from wmproof.cli.reading_options import as_options
from wmproof.cli.suspects import ENDPOINT, TOKEN_VARIABLE, warn_of_private_queries
from wmproof.core.policy import DEFAULT_STRENGTH
from wmproof.core.strength import strength_bits
from wmproof.core.triggers import Shape, TriggerSet, as_planes, format_shape, name_coins
from wmproof.errors import InputError
from wmproof.keys import (
    KeyKind,
    MarkingKey,
    load_batch_opening,
    load_marking_key,
    load_verification_key,
)
from wmproof.models.file import ModelFile, read_model_file
from wmproof.models.preparations import Asked, AskedFile, Ranking, Suspect, Trial

_SHOWN = 3
_ENOUGH_BITS = 64


@dataclass(frozen=True)
class _Ours:
    """What the suspect is asked about, and the options that say so."""

    triggers: TriggerSet
    shape: Shape
    key: MarkingKey | None
    said: list[str]

    def bits(self, trial: Trial) -> float:
        """What so many hits are worth."""
        if not trial.hits:
            return 0.0
        return strength_bits(self.triggers.coins, trial.hits, self.triggers.classes)


@dataclass(frozen=True)
class _Theirs:
    """The suspect, and the words that name it on a command line."""

    asked: Asked
    file: ModelFile | None
    said: list[str]
    fields: dict[str, str | None]


_endpoint_options = gathered(
    "endpoint", ENDPOINT.values(), lambda given: {name: given.pop(name) for name in ENDPOINT}
)


@click.command()
@click.argument("model", type=FILE, metavar="[SUSPECT.onnx]", required=False)
@click.option("--key", "mk_path", type=FILE, metavar="KEY.mk", help="Your key.")
@click.option(
    "--opening", "opening_path", type=FILE, metavar="FILE", help="Or a batch that you revealed."
)
@click.option(
    "--verification-key",
    "--vk",
    "vk_path",
    type=FILE,
    metavar="KEY.vk",
    help="With --opening: the key as it was published.",
)
@click.option(
    "--output", metavar="NAME", help="The output of the file that answers, if it has several."
)
@_endpoint_options
@passphrase_option
@json_option
def examine(
    model: Path | None,
    mk_path: Path | None,
    opening_path: Path | None,
    vk_path: Path | None,
    output: str | None,
    endpoint: dict[str, Any],
    passphrase_file: Path | None,
    as_json: bool,
) -> int:
    """Say what can be done about a suspect: a file, or a model behind an endpoint.

    A file is asked about your triggers here, and privately. Whoever runs an endpoint sees what it
    is asked, so give it a batch of a bounded key that you revealed (--opening). How the suspect
    wants its pixels is not known, so the usual preparations are tried. Exit code 1: your key is
    not found in it.
    """
    _check(model, mk_path, opening_path, vk_path, output, endpoint)
    ours = _ours(mk_path, opening_path, vk_path, passphrase_file)
    if endpoint["show_triggers"]:
        ours.said.append("--show-triggers")
    theirs = _theirs(model, output, endpoint, ours.shape)
    suspect = Suspect(theirs.asked, ours.shape)
    with progress_bars(quiet=as_json) as progress:
        ranking = suspect.trials(ours.triggers, progress)
    best = ranking.trials[0]
    # Each preparation is a chance of its own, which is taken off.
    bits = max(0.0, ours.bits(best) - math.log2(len(ranking.trials)))
    found = bits >= _ENOUGH_BITS
    provable, why = _provable(theirs, ours, best) if found else (False, "the key is not found")
    command = _next_command(theirs, ours, best, provable, output) if found else None
    answer = {"provable": provable, "why_not": why, "next": command}
    fields = _fields(theirs, suspect, ours, ranking, bits, found) | answer
    if as_json:
        print_json(fields)
    else:
        _print(suspect, theirs, ours, ranking, fields)
    return 0 if found else 1


def _check(
    model: Path | None,
    mk_path: Path | None,
    opening_path: Path | None,
    vk_path: Path | None,
    output: str | None,
    endpoint: dict[str, Any],
) -> None:
    """Refuse combinations that make no sense, and secret triggers for an endpoint."""
    if (model is None) == (endpoint["endpoint"] is None):
        raise click.UsageError("give either SUSPECT.onnx or --endpoint")
    if (endpoint["endpoint"] is None) != (endpoint["model_name"] is None):
        raise click.UsageError("--endpoint and --model-name go together")
    if model is not None and (endpoint["model_version"] or endpoint["show_triggers"]):
        raise click.UsageError("--model-version and --show-triggers go with --endpoint")
    if model is None and output:
        raise click.UsageError("--output goes with SUSPECT.onnx")
    if (mk_path is None) == (opening_path is None):
        raise click.UsageError("give either --key or --opening")
    if (opening_path is None) != (vk_path is None):
        raise click.UsageError("--opening and --verification-key go together")
    if opening_path is not None and endpoint["show_triggers"]:
        raise click.UsageError("--show-triggers goes with --key; what you revealed is no secret")
    if model is None and mk_path is not None:
        warn_of_private_queries(allowed=endpoint["show_triggers"])


def _ours(
    mk_path: Path | None, opening_path: Path | None, vk_path: Path | None, word: Path | None
) -> _Ours:
    if mk_path is not None:
        key = load_marking_key(mk_path, ask_passphrase(word))
        if not len(key.embedded()):
            raise InputError("hides no trigger, so that no model can carry it", where=str(mk_path))
        published = mk_path.with_suffix(".pvk" if key.kind is KeyKind.PUBLIC else ".vk")
        said = ["--key", str(mk_path), "--verification-key", str(published)]
        return _Ours(key.to_embed(), key.image_shape, key, said)
    vk = load_verification_key(vk_path or "")
    opening = load_batch_opening(opening_path or "", vk)
    said = ["--opening", str(opening_path), "--verification-key", str(vk_path)]
    return _Ours(opening.opened.triggers, vk.image_shape, None, said)


def _theirs(
    model: Path | None, output: str | None, endpoint: dict[str, Any], shape: Shape
) -> _Theirs:
    if model is not None:
        file = read_model_file(model)
        return _Theirs(AskedFile(file, output), file, [str(model)], {"model": str(model)})
    from wmproof.models.open_inference import Limits, OpenInferenceClassifier

    address, name, version = (endpoint[n] for n in ("endpoint", "model_name", "model_version"))
    asked = OpenInferenceClassifier(
        address,
        name,
        version,
        input_shape=shape,
        batch=endpoint["images_per_request"],
        limits=Limits(requests_per_second=endpoint["requests_per_second"]),
        token=os.environ.get(TOKEN_VARIABLE) or None,
    )
    said = ["--endpoint", address, "--model-name", name]
    said += ["--model-version", version] if version else []
    fields = {"endpoint": address, "model_name": name, "model_version": version}
    return _Theirs(asked, None, said, fields)


def _provable(theirs: _Theirs, ours: _Ours, best: Trial) -> tuple[bool, str | None]:
    """Whether a claim can be about this suspect, and else what would help, in words."""
    if theirs.file is None:
        return False, "a claim is about a file, and this is a service"
    if ours.key is None or ours.key.kind is not KeyKind.PUBLIC:
        return False, "it needs a key of the kind 'public', published before the model"
    bits = ours.bits(best)
    if bits < DEFAULT_STRENGTH:
        words = f"{best.hits} hits are worth {int(bits)} bits"
        return False, f"{words}, and a judge asks for {DEFAULT_STRENGTH} unless he says otherwise"
    from wmproof.circuit.calibrate import Settings
    from wmproof.circuit.compile import compile_model

    opened = ours.key.public_key().opened.triggers.images[:8]
    try:
        compile_model(
            theirs.file,
            opened.reshape(len(opened), *as_planes(ours.shape)),
            settings=Settings(group=ours.triggers.group),
            reading=best.preparation.reading,
        )
    except InputError as error:
        return False, f"{error}"
    return True, None


def _next_command(
    theirs: _Theirs, ours: _Ours, best: Trial, provable: bool, output: str | None
) -> str:
    """The command to type next."""
    how = as_options(best.preparation.reading)
    how += ["--output", output] if output else []
    if not provable:
        return shlex.join(["wmproof", "verify", *theirs.said, *ours.said, *how])
    said = [word.replace("--verification-key", "--public-key") for word in ours.said]
    return shlex.join(["wmproof", "prove", *theirs.said, *said, *how, "-o", "claim.proof"])


def _fields(
    theirs: _Theirs, suspect: Suspect, ours: _Ours, ranking: Ranking, bits: float, found: bool
) -> dict[str, Any]:
    return {
        "found": found,
        **theirs.fields,
        "input_type": suspect.type.__name__,
        "input_shape": list(suspect.declared),
        "triggers": ours.triggers.coins,
        "bits": bits,
        "trials": [
            {"preparation": str(t.preparation), "hits": t.hits, "bits": ours.bits(t)}
            for t in ranking.trials
        ],
        "alike": [str(t.preparation) for t in ranking.trials[: ranking.alike]],
    }


def _print(
    suspect: Suspect, theirs: _Theirs, ours: _Ours, ranking: Ranking, fields: dict[str, Any]
) -> None:
    found, trials = fields["found"], ranking.trials
    asked = name_coins(ours.triggers.group)
    sizes = "x".join("any" if size in (None, -1) else str(size) for size in suspect.declared)
    print_fields(
        {
            **{name.replace("_", " "): value for name, value in theirs.fields.items() if value},
            "takes": f"{suspect.type.__name__}, {sizes}",
            "asked about": f"{ours.triggers.coins} {asked} of {format_shape(ours.shape)}, "
            f"{ours.triggers.classes} classes",
        }
    )
    print_rows(
        (str(t.preparation), f"{t.hits} of {ours.triggers.coins} hits, {int(ours.bits(t))} bits")
        for t in trials[: max(_SHOWN, ranking.alike)]
    )
    if ranking.alike > 1 and found:
        print_fields({"alike": _doubt(ranking)})
    why = fields["why_not"]
    print_fields({"zero-knowledge claim": "possible" if not why else f"not possible: {why}"})
    words = (
        f"your key is in it: by chance so many hits come once in 2^{int(fields['bits'])}"
        if found
        else "your key is not found in it under any of "
        f"{len(trials)} preparations; a model that was changed much can lose it"
    )
    print_verdict(found, words)
    if fields["next"]:
        print_fields({"next": fields["next"]})


def _doubt(ranking: Ranking) -> str:
    """Say that hits do not tell the first preparations apart."""
    how = "by how sure the model is of the labels"
    if ranking.trials[0].margin is None:
        how = "as the most usual one, for this model gives no scores"
    return (
        f"the first {ranking.alike} are alike within noise, and the first of them was chosen "
        f"{how}; if whoever made the model says how it takes pixels, go by that"
    )
