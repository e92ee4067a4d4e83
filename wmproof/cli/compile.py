"""`wmproof compile`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from wmproof._files import check_target, read_file, write_file, write_files
from wmproof.cli.options import FILE, force_option, json_option, pixels_option
from wmproof.cli.output import console, print_fields, print_json
from wmproof.errors import InputError

if TYPE_CHECKING:
    from wmproof.circuit.compile import Compilation
    from wmproof.circuit.images import ImageSet
    from wmproof.circuit.ir import Shape
    from wmproof.circuit.report import Fidelity

_MODEL_LIMIT = 2**31


@click.command("compile")
@click.argument("model", type=FILE, metavar="MODEL.onnx")
@click.option(
    "--public-key",
    type=FILE,
    metavar="KEY.pvk",
    help="Calibrate with the opened triggers of this key.",
)
@click.option(
    "--images",
    type=FILE,
    multiple=True,
    metavar="FOLDER",
    help="Calibrate with these public images too: a folder of pictures, or an .npz file; may be "
    "repeated.",
)
@click.option(
    "--test",
    type=FILE,
    multiple=True,
    metavar="FOLDER",
    help="Only measure on these images; one folder a class gives labels; may be repeated.",
)
@click.option(
    "-o", "--out", type=FILE, metavar="FILE", help="The circuit.  [default: MODEL.circuit]"
)
@click.option("--plots", type=FILE, metavar="FOLDER", help="Draw the layers' ranges as PNG files.")
@pixels_option
@click.option("--shift", type=int, default=10, show_default=True, help="S, the bits of rounding.")
@click.option(
    "--headroom",
    type=float,
    default=None,
    help="The largest byte over the largest activation seen.  [default: 1.5]",
)
@click.option(
    "--probes",
    type=int,
    default=None,
    help="Pictures that the compiler draws for calibration.  [default: 64]",
)
@force_option
@json_option
def compile(
    model: Path,
    public_key: Path | None,
    images: tuple[Path, ...],
    test: tuple[Path, ...],
    out: Path | None,
    plots: Path | None,
    pixels: str,
    shift: int,
    headroom: float | None,
    probes: int | None,
    force: bool,
    as_json: bool,
) -> int:
    """Turn an ONNX classifier into its integer circuit, and say how well that stands for it.

    The same model, public images and options give the same circuit on every machine.
    """
    from wmproof.circuit.calibrate import Settings
    from wmproof.circuit.compile import compile_model, model_input_shape
    from wmproof.circuit.format import encode
    from wmproof.circuit.images import ImageSet
    from wmproof.circuit.probes import draw_probes
    from wmproof.circuit.report import measure_fidelity

    data = read_file(model, limit=_MODEL_LIMIT)
    target = out or model.with_suffix(".circuit")
    check_target(target, overwrite=force)
    shape = model_input_shape(data)
    public = _public_images(public_key, images, shape)
    given = {"headroom": headroom, "probes": probes}
    settings = Settings(shift=shift, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
    calibration = np.concatenate([one.images for one in public])
    compilation = compile_model(data, calibration, settings=settings, pixels=pixels)
    measured = [*public, *_read_all(test, shape)]
    if settings.probes:
        measured.append(ImageSet("probe pictures", draw_probes(settings.probes, shape)))
    fidelity = measure_fidelity(compilation, data, measured, pixels=pixels)
    write_file(target, encode(compilation.circuit), overwrite=force)
    if plots is not None:
        _draw(plots, fidelity, force)
    if as_json:
        print_json(_fields(target, compilation, fidelity))
    else:
        _print(target, compilation, fidelity)
    return 0


def _public_images(key: Path | None, folders: Sequence[Path], shape: Shape) -> list[ImageSet]:
    from wmproof.circuit.images import ImageSet
    from wmproof.keys import load_public_key
    from wmproof.models.base import fit_images

    sets = []
    if key is not None:
        opened = load_public_key(key).opened.triggers.images
        sets.append(ImageSet("opened triggers", fit_images(opened, shape)))
    sets += _read_all(folders, shape)
    if not sets:
        raise InputError(
            "there are no public images to calibrate with",
            remedy="Give --public-key, --images or both",
        )
    return sets


def _read_all(folders: Sequence[Path], shape: Shape) -> list[ImageSet]:
    from wmproof.circuit.images import read_images

    return [read_images(folder, shape) for folder in folders]


def _draw(folder: Path, fidelity: Fidelity, force: bool) -> None:
    from wmproof.circuit.plots import draw_ranges, draw_saturation

    files = {
        folder / "ranges.png": draw_ranges(fidelity),
        folder / "saturation.png": draw_saturation(fidelity),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot be made ({error.strerror})", where=str(folder)) from None
    write_files(files, overwrite=force)


def _fields(target: Path, compilation: Compilation, fidelity: Fidelity) -> dict[str, Any]:
    circuit = compilation.circuit
    return {
        "circuit": str(target),
        "digest": compilation.digest.hex(),
        "input_shape": list(circuit.input_shape),
        "classes": circuit.classes,
        "lookups": circuit.lookups(),
        "weights": circuit.weights(),
        "tables": {table.name: table.bits for table in circuit.tables},
        "settings": asdict(compilation.settings),
        "agreements": [asdict(one) for one in fidelity.agreements],
        "layers": [asdict(layer) for layer in fidelity.layers],
    }


def _print(target: Path, compilation: Compilation, fidelity: Fidelity) -> None:
    circuit = compilation.circuit
    print_fields(
        {
            "circuit": target,
            "digest": compilation.digest.hex(),
            "lookups": f"{circuit.lookups()} for each image",
            "weights": circuit.weights(),
            "tables": ", ".join(f"{table.name} 2^{table.bits}" for table in circuit.tables),
        }
    )
    _print_table(
        ("images", "count", "agree", "float right", "integer right", "outside"),
        [
            (
                one.name,
                str(one.images),
                _percent(one.agreeing, one.images),
                _percent(one.float_right, one.images),
                _percent(one.integer_right, one.images),
                str(one.outside),
            )
            for one in fidelity.agreements
        ],
    )
    _print_table(
        ("layer", "table", "scale", "z seen", "headroom", "bound", "at 255"),
        [
            (
                layer.name,
                layer.table,
                f"{layer.scale[1]:.3g}",
                f"{layer.lowest} .. {layer.highest}",
                f"{layer.headroom:.1f}x",
                f"2^{np.log2(max(layer.bound, 1)):.1f}",
                f"{layer.saturated:.2%}",
            )
            for layer in fidelity.layers
        ],
    )


def _percent(part: int | None, whole: int) -> str:
    return "-" if part is None else f"{part / whole:.2%}"


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Column, Table

    table = Table(Column(head[0], overflow="fold"), *head[1:], box=None, padding=(0, 1))
    for row in rows:
        table.add_row(*row)
    console().print(table)
