"""How faithful the circuit is to trained, marked models of the zoo: one JSON object a model.

Trains each network on a data set with a key's hidden triggers embedded, exports it, compiles it
with nothing but the key's opened triggers, and compares answers on the whole test set and on the
embedded triggers. `--trained MODEL.onnx ... --key KEY.mk` takes models that are there already; the
key's passphrase comes from WMPROOF_PASSPHRASE. Needs the extra `train`.
"""

import argparse
import json
import os
import time
from pathlib import Path

from wmproof.circuit.calibrate import Settings
from wmproof.circuit.compile import compile_model
from wmproof.circuit.images import ImageSet
from wmproof.circuit.report import measure_fidelity
from wmproof.core.triggers import abstract, noise
from wmproof.keys import MarkingKey, load_marking_key
from wmproof.keys.keygen import pkeygen
from wmproof.models.base import fit_images
from wmproof.training import Recipe, mark
from wmproof.training.data import load
from wmproof.training.data.image_data import ImageData
from wmproof.training.export import to_onnx
from wmproof.training.networks import DEFAULT_WIDTHS, build
from wmproof.training.sources import PixelDataset

PATTERNS = {"noise": noise, "abstract": abstract}


def trained(
    name: str, data: ImageData, arguments: argparse.Namespace
) -> tuple[bytes, ImageSet, ImageSet]:
    """The ONNX model, the opened triggers and the embedded ones."""
    images = PATTERNS[arguments.triggers](4 * arguments.security, data.shape)
    key, _ = pkeygen(images, data.classes, security=arguments.security)
    recipe = Recipe(
        epochs=arguments.epochs,
        batch_size=50,
        triggers_per_batch=arguments.per_batch,
        learning_rate=0.05,
        schedule="cosine",
        weight_decay=1e-3,
    )
    network = build(name, data.shape, data.classes, width=arguments.width)
    dataset = PixelDataset(data.train_images, data.train_labels)
    result = mark(network, dataset, key.to_embed(), recipe=recipe, seed=1, device="cpu")
    model = to_onnx(result.model, result.normalization, data.shape)
    return model, *trigger_sets(key, data)


def trigger_sets(key: MarkingKey, data: ImageData) -> tuple[ImageSet, ImageSet]:
    """The opened triggers and the embedded ones."""
    opened, hidden = key.public_key().opened.triggers, key.to_embed()
    return (
        ImageSet("opened triggers", fit_images(opened.images, data.shape)),
        ImageSet("embedded triggers", fit_images(hidden.images, data.shape), hidden.labels),
    )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--models", nargs="+", default=list(DEFAULT_WIDTHS))
    parser.add_argument("--trained", nargs="+", metavar="MODEL.onnx")
    parser.add_argument("--key", type=Path, metavar="KEY.mk")
    parser.add_argument("--width", type=int)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--per-batch", type=int, default=16)
    parser.add_argument("--triggers", choices=PATTERNS, default="noise")
    parser.add_argument("--security", type=int, default=32)
    parser.add_argument("--headrooms", type=float, nargs="+", default=[Settings().headroom])
    parser.add_argument("--floors", type=float, nargs="+", default=[Settings().channel_floor])
    parser.add_argument("--shifts", type=int, nargs="+", default=[Settings().shift])
    arguments = parser.parse_args()
    data = load(arguments.data, **({"folder": arguments.folder} if arguments.folder else {}))
    test = ImageSet("test", data.test_images, data.test_labels)
    sets = None
    if arguments.trained:
        key = load_marking_key(arguments.key, os.environ["WMPROOF_PASSPHRASE"])
        sets = trigger_sets(key, data)
    for name in arguments.trained or arguments.models:
        start = time.perf_counter()
        if sets:
            model, opened, embedded = Path(name).read_bytes(), *sets
        else:
            model, opened, embedded = trained(name, data, arguments)
        seconds = time.perf_counter() - start
        for headroom in arguments.headrooms:
            for floor in arguments.floors:
                for shift in arguments.shifts:
                    chosen = Settings(shift=shift, headroom=headroom, channel_floor=floor)
                    compilation = compile_model(model, opened.images, settings=chosen)
                    report = measure_fidelity(compilation, model, [test, embedded, opened])
                    on_test, on_embedded, on_opened = report.agreements
                    result = {
                        "model": Path(name).name,
                        "training_seconds": round(seconds, 1),
                        "headroom": headroom,
                        "channel_floor": floor,
                        "shift": shift,
                        "float_accuracy": on_test.float_right / on_test.images,
                        "integer_accuracy": on_test.integer_right / on_test.images,
                        "outside": on_test.outside,
                        "agree_test": on_test.agreeing / on_test.images,
                        "agree_embedded": on_embedded.agreeing / on_embedded.images,
                        "embedded_right": on_embedded.float_right / on_embedded.images,
                        "agree_opened": on_opened.agreeing / on_opened.images,
                        "tables": {t.name: t.bits for t in compilation.circuit.tables},
                        "least_headroom": min(layer.headroom for layer in report.layers),
                    }
                    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
