"""Mark (section 5 of the paper): embed a trigger set while training any torch module.

The only part of the package that needs torch. The names below are imported when they are first
used, so that lists such as the presets can be read without it.
"""

from typing import TYPE_CHECKING

from wmproof._base.lazy import lazy_names

if TYPE_CHECKING:
    from wmproof.training.callbacks import lightning_callback, trainer_callback
    from wmproof.training.claim_export import ClaimCheck, export_for_claims
    from wmproof.training.embedding import mark, reinitialize, train
    from wmproof.training.export import ExportCheck, export_onnx
    from wmproof.training.loop import EpochRecord, TrainingInterruptedError, TrainingResult
    from wmproof.training.normalization import Normalization
    from wmproof.training.perturbation import perturbed_loss
    from wmproof.training.recipe import PRESETS, Perturbation, Recipe, preset
    from wmproof.training.trigger_data import TriggerDataset, trigger_accuracy, with_triggers
    from wmproof.training.weights import load_weights, save_weights

__all__ = [
    "PRESETS",
    "ClaimCheck",
    "EpochRecord",
    "ExportCheck",
    "Normalization",
    "Perturbation",
    "Recipe",
    "TrainingInterruptedError",
    "TrainingResult",
    "TriggerDataset",
    "export_for_claims",
    "export_onnx",
    "lightning_callback",
    "load_weights",
    "mark",
    "perturbed_loss",
    "preset",
    "reinitialize",
    "save_weights",
    "train",
    "trainer_callback",
    "trigger_accuracy",
    "with_triggers",
]

__getattr__ = lazy_names(
    __name__,
    {
        "callbacks": ("lightning_callback", "trainer_callback"),
        "claim_export": ("ClaimCheck", "export_for_claims"),
        "embedding": ("mark", "reinitialize", "train"),
        "export": ("ExportCheck", "export_onnx"),
        "loop": ("EpochRecord", "TrainingInterruptedError", "TrainingResult"),
        "normalization": ("Normalization",),
        "perturbation": ("perturbed_loss",),
        "recipe": ("PRESETS", "Perturbation", "Recipe", "preset"),
        "trigger_data": ("TriggerDataset", "trigger_accuracy", "with_triggers"),
        "weights": ("load_weights", "save_weights"),
    },
)
