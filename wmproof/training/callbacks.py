"""Marking inside Lightning and inside transformers' Trainer, neither of them imported before use.

Both callbacks append k triggers to each training batch and log `trigger_accuracy` once an epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wmproof.training.trigger_data import (
    Transform,
    TriggerBatches,
    TriggerDataset,
    trigger_accuracy,
)

if TYPE_CHECKING:
    from wmproof.core.triggers import TriggerSet
    from wmproof.keys import MarkingKey

METRIC = "trigger_accuracy"


def lightning_callback(
    key: MarkingKey | TriggerSet,
    k: int = 2,
    *,
    transform: Transform | None = None,
    item: Callable[[Any, int], Any] | None = None,
) -> Any:
    """Return a `lightning.Callback` that embeds a key.

    The module must answer a batch of images with logits when it is called (`forward`), and its
    batches be pairs of images and classes unless `item` says otherwise.

    Parameters
    ----------
    key, k, transform, item
        As for `with_triggers`; without a transform triggers are uint8 tensors.
    """
    from lightning.pytorch import Callback

    data = TriggerDataset(key, transform, item)
    batches = TriggerBatches(data, k)

    class EmbedKey(Callback):
        def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
            self._plain = pl_module.on_after_batch_transfer

            def append(batch: Any, dataloader_idx: int) -> Any:
                batch = self._plain(batch, dataloader_idx)
                return batches.append(batch) if trainer.training else batch

            # Lightning lets only the module and its data, not callbacks, change a batch.
            pl_module.on_after_batch_transfer = append

        def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
            del pl_module.on_after_batch_transfer

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            pl_module.log(METRIC, trigger_accuracy(pl_module, data), prog_bar=True)

    return EmbedKey()


def trainer_callback(
    key: MarkingKey | TriggerSet,
    k: int = 2,
    *,
    transform: Transform | None = None,
    item: Callable[[Any, int], Any] | None = None,
) -> Any:
    """Return a `transformers.TrainerCallback` that embeds a key.

    Items are `{"pixel_values": image, "labels": label}` unless `item` says otherwise.

    Parameters
    ----------
    key, k, item
        As for `with_triggers`.
    transform : callable
        Makes pixel values of a picture: for an image processor,
        `lambda picture: processor(picture, return_tensors="pt").pixel_values[0]`.
    """
    from transformers import TrainerCallback

    make = item or (lambda image, label: {"pixel_values": image, "labels": label})
    data = TriggerDataset(key, transform, make)
    batches = TriggerBatches(data, k)

    class EmbedKey(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            loader = given["train_dataloader"]
            # What accelerate prepared hands on to the loader that it holds.
            loader = getattr(loader, "base_dataloader", loader)
            loader.collate_fn = _Collate(loader.collate_fn, batches)

        def on_epoch_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            share = trigger_accuracy(given["model"], data)
            state.log_history.append(
                {METRIC: share, "epoch": state.epoch, "step": state.global_step}
            )

    return EmbedKey()


class _Collate:
    """Makes a batch of the loader's items and the next triggers; loader processes can pickle it."""

    def __init__(self, collate: Callable[[list[Any]], Any], batches: TriggerBatches) -> None:
        self._collate = collate
        self._batches = batches

    def __call__(self, items: list[Any]) -> Any:
        return self._collate([*items, *self._batches.next_items()])
