"""`wmproof compile`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from wmproof._base.files import check_target, make_folder, write_file, write_files
from wmproof.cli.options import FILE, Number, force_option, json_option
from wmproof.cli.output import print_fields, print_json, print_table
from wmproof.cli.reading_options import reading_options
from wmproof.errors import InputError

if TYPE_CHECKING:
    from wmproof.circuit.compile import Compilation
    from wmproof.circuit.images import ImageSet
    from wmproof.circuit.ir import Shape
    from wmproof.circuit.report import Fidelity
    from wmproof.core.reading import Reading
    from wmproof.keys import PublicKey


@click.command("compile")
@click.argument("model", type=FILE, metavar="MODEL.onnx")
@click.option(
    "--public-key",
    type=FILE,
    metavar="KEY.pvk",
    help="Calibrate with the first 64 opened triggers of this key, as claims do.",
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
@reading_options
@click.option("--shift", type=int, default=10, help="S, the bits of rounding.")
@click.option(
    "--headroom",
    type=Number(0, min_open=True),
    default=None,
    help="The largest value over the largest activation seen.  [default: 3]",
)
@click.option(
    "--bits",
    type=int,
    default=None,
    help="Bits of an activation, 8 to 12.  [default: what balances rounding errors]",
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
    reading: Reading,
    shift: int,
    headroom: float | None,
    bits: int | None,
    probes: int | None,
    force: bool,
    as_json: bool,
) -> int:
    """Turn an ONNX classifier into its integer circuit, and say how well that stands for it.

    The same model, public images and options give the same circuit on every machine.
    """
    from wmproof.circuit.calibrate import Settings
    from wmproof.circuit.compile import compile_network, open_network
    from wmproof.circuit.format import encode
    from wmproof.circuit.images import ImageSet
    from wmproof.circuit.probes import draw_probes
    from wmproof.circuit.report import measure_fidelity
    from wmproof.keys import load_public_key
    from wmproof.models.file import read_model_file

    file = read_model_file(model)
    target = out or model.with_suffix(".circuit")
    check_target(target, overwrite=force)
    key = load_public_key(public_key) if public_key is not None else None
    known = None if key is None else key.verification_key.image_shape
    network = open_network(file, reading, known)
    shape = network.shapes[0]
    public = _public_images(key, images, shape, reading)
    group = None if key is None else key.verification_key.group
    given = {"headroom": headroom, "probes": probes, "bits": bits, "group": group}
    settings = Settings(shift=shift, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
    calibration = np.concatenate([one.images for one in public])
    compilation = compile_network(network, calibration, settings)
    del network  # twice as large as the file
    measured = [*public, *_read_all(test, shape, reading)]
    if settings.probes:
        measured.append(ImageSet("probe pictures", draw_probes(settings.probes, shape)))
    fidelity = measure_fidelity(compilation, file, measured, reading=reading)
    write_file(target, encode(compilation.circuit), overwrite=force)
    if plots is not None:
        _draw(plots, fidelity, force)
    if as_json:
        print_json(_fields(target, compilation, fidelity))
    else:
        _print(target, compilation, fidelity)
    return 0


def _public_images(
    key: PublicKey | None, folders: Sequence[Path], shape: Shape, reading: Reading
) -> list[ImageSet]:
    from wmproof.circuit.compile import MOST_OPENED
    from wmproof.circuit.images import ImageSet
    from wmproof.models.base import fit_images

    sets = []
    if key is not None:
        opened = key.opened.triggers.images[:MOST_OPENED]
        sets.append(ImageSet("opened triggers", fit_images(opened, shape)))
    sets += _read_all(folders, shape, reading)
    if not sets:
        raise InputError(
            "there are no public images to calibrate with",
            remedy="Give --public-key, --images or both",
        )
    return sets


def _read_all(folders: Sequence[Path], shape: Shape, reading: Reading) -> list[ImageSet]:
    from wmproof.circuit.images import read_images

    return [read_images(folder, shape, reading) for folder in folders]


def _draw(folder: Path, fidelity: Fidelity, force: bool) -> None:
    from wmproof.circuit.plots import draw_ranges, draw_saturation

    files = {
        folder / "ranges.png": draw_ranges(fidelity),
        folder / "saturation.png": draw_saturation(fidelity),
    }
    make_folder(folder)
    write_files(files, overwrite=force)


def _fields(target: Path, compilation: Compilation, fidelity: Fidelity) -> dict[str, Any]:
    return {
        "circuit": str(target),
        **compilation.to_dict(),
        "agreements": [asdict(one) for one in fidelity.agreements],
        "layers": [asdict(layer) for layer in fidelity.layers],
    }


def _print(target: Path, compilation: Compilation, fidelity: Fidelity) -> None:
    circuit = compilation.circuit
    print_fields(
        {
            "circuit": target,
            "circuit SHA-256": compilation.digest.hex(),
            "lookups": f"{circuit.lookups()} for each image",
            "weights": circuit.weights(),
            "tables": ", ".join(
                f"{table.name} 2^{table.bits}, values to {table.largest}"
                for table in circuit.tables
            ),
        }
    )
    print_table(
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
    print_table(
        ("layer", "table", "scale", "z seen", "headroom", "bound", "at largest"),
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
