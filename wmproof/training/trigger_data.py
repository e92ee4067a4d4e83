"""Mark in your own loop: triggers as a torch data set, and at the ends of any loader's batches.

Section 5 of the paper embeds by appending k triggers to each batch. `with_triggers` does that to a
loader, and the callbacks of `wmproof.training.callbacks` to Lightning and to transformers' Trainer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, default_collate

from wmproof.errors import InputError
from wmproof.training.sampling import TriggerRotation
from wmproof.training.sources import pixels_tensor

if TYPE_CHECKING:
    from wmproof.core.triggers import TriggerSet
    from wmproof.keys import MarkingKey

Transform = Callable[[Any], Any]
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


class TriggerDataset(Dataset[Any]):
    """Triggers with their labels, prepared like one's own images.

    Parameters
    ----------
    triggers : MarkingKey or TriggerSet
        Of a key what is to be embedded, `MarkingKey.to_embed()`: of a public key the hidden half.
    transform : callable, optional
        What a picture goes through: the preparation of your test images, which does not augment. It
        gets a PIL image, or a uint8 tensor (C, H, W) where there are not 1, 3 or 4 channels, or
        (D,) of a row of numbers. Without it items are uint8 tensors.
    item : callable, optional
        Makes an item as your data set has them of image and label; a pair by default.
    """

    def __init__(
        self,
        triggers: MarkingKey | TriggerSet,
        transform: Transform | None = None,
        item: Callable[[Any, int], Any] | None = None,
    ) -> None:
        chosen: Any = triggers.to_embed() if hasattr(triggers, "to_embed") else triggers
        self.triggers: TriggerSet = chosen
        self._images = pixels_tensor(chosen.images)
        self._transform = transform
        self._item = item

    def __len__(self) -> int:
        return len(self.triggers)

    def __getitem__(self, index: int) -> Any:
        image: Any = self._images[index]
        if self._transform is not None:
            image = self._transform(_picture(image))
        label = int(self.triggers.labels[index])
        return (image, label) if self._item is None else self._item(image, label)


def _picture(image: Tensor) -> Any:
    from PIL import Image

    if image.ndim == 1 or len(image) not in _MODES:
        return image
    array = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    return Image.fromarray(array[:, :, 0] if len(image) == 1 else array)


class TriggerBatches:
    """Joins k triggers to a batch, each shown once before any is shown again.

    Parameters
    ----------
    data : TriggerDataset
    k : int
        How many triggers a batch gets; the paper's k is 2.
    collate : callable, optional
        Makes a batch of items, as your loader does.
    """

    def __init__(
        self, data: TriggerDataset, k: int, collate: Callable[[list[Any]], Any] | None = None
    ) -> None:
        if k < 1:
            raise InputError(f"a batch needs at least one trigger, not {k}")
        self.data = data
        self._rotation = TriggerRotation(len(data), k, int(torch.initial_seed() % 2**31))
        self._collate = collate or default_collate
        self._step = 0

    def next_items(self) -> list[Any]:
        """Return the next k items."""
        # Each loader process has a copy of this object; together they go round the triggers.
        worker = torch.utils.data.get_worker_info()
        step = self._step if worker is None else self._step * worker.num_workers + worker.id
        self._step += 1
        return [self.data[int(i)] for i in self._rotation.indices(step)]

    def append(self, batch: Any) -> Any:
        """Return the batch with the next k triggers at its end."""
        return join(batch, self._collate(self.next_items()))


class LoaderWithTriggers:
    """A loader whose batches have triggers at their ends; whatever else it has is the loader's."""

    def __init__(self, loader: Iterable[Any], batches: TriggerBatches) -> None:
        self.loader = loader
        self._batches = batches

    def __iter__(self) -> Iterator[Any]:
        for batch in self.loader:
            yield self._batches.append(batch)

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        if name == "loader":  # before __init__, while unpickling
            raise AttributeError(name)
        return getattr(self.loader, name)


def with_triggers(
    loader: Iterable[Any],
    key: MarkingKey | TriggerSet,
    k: int = 2,
    *,
    transform: Transform | None = None,
    item: Callable[[Any, int], Any] | None = None,
) -> LoaderWithTriggers:
    """Append k triggers to each batch of a loader: all that marking in your own loop takes.

    Parameters
    ----------
    loader : iterable of batches
        A `DataLoader`, or anything that yields batches of tensors in tuples, lists or mappings.
    key : MarkingKey or TriggerSet
        What to embed.
    k : int
        Triggers a batch. All of them must be shown some fifty times: `batches x epochs x k`.
    transform : callable, optional
        Your test images' preparation, see `TriggerDataset`. Taken from `loader.dataset.transform`
        where there is one; then your augmentation is applied to the triggers too.
    item : callable, optional
        See `TriggerDataset`; needed where your data set's items are no pairs.

    Raises
    ------
    InputError
        While iterating: the triggers do not come out like the rest of the batch.

    Examples
    --------
    >>> for images, labels in with_triggers(loader, key, k=2):  # doctest: +SKIP
    ...     step(images, labels)
    """
    own = transform or getattr(getattr(loader, "dataset", None), "transform", None)
    data = TriggerDataset(key, own, item)
    return LoaderWithTriggers(loader, TriggerBatches(data, k, getattr(loader, "collate_fn", None)))


def join(batch: Any, more: Any) -> Any:
    """Put one batch behind another of the same structure.

    Raises
    ------
    InputError
        Structures, shapes or types differ; the message says where the preparation comes from.
    """
    if isinstance(batch, Tensor) and isinstance(more, Tensor):
        if batch.dtype != more.dtype or batch.shape[1:] != more.shape[1:]:
            raise InputError(
                f"the batch has {batch.dtype} {tuple(batch.shape[1:])} and the triggers "
                f"{more.dtype} {tuple(more.shape[1:])}",
                remedy="Give transform= what your images go through (and item= where items are "
                "no pairs)",
            )
        return torch.cat([batch, more.to(batch.device)])
    if isinstance(batch, Mapping) and isinstance(more, Mapping) and batch.keys() == more.keys():
        return type(batch)({name: join(batch[name], more[name]) for name in batch})  # type: ignore[call-arg]
    if _is_sequence(batch) and _is_sequence(more) and len(batch) == len(more):
        parts = [join(a, b) for a, b in zip(batch, more, strict=True)]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    raise InputError(
        f"the loader's batches ({type(batch).__name__}) are not built like the triggers "
        f"({type(more).__name__})",
        remedy="Give item= a function from image and label to an item like your data set's",
    )


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def trigger_accuracy(
    model: Callable[[Any], Any],
    data: TriggerDataset,
    *,
    device: torch.device | str | None = None,
    batch: int = 64,
) -> float:
    """Measure how many triggers get their labels, in evaluation mode, in [0, 1].

    Parameters
    ----------
    model : callable or nn.Module
        Takes a batch of prepared images; gives logits (n, classes), or an object with `.logits`.
    data : TriggerDataset
        Of pairs, or of mappings with `pixel_values` and `labels`.
    device : torch.device or str, optional
        The module's own by default.
    """
    training = model.training if isinstance(model, nn.Module) else False
    if isinstance(model, nn.Module):
        model.eval()
        first = next(model.parameters(), None)
        device = device or (None if first is None else first.device)
    hits = 0
    try:
        with torch.no_grad():
            for start in range(0, len(data), batch):
                items = [data[i] for i in range(start, min(start + batch, len(data)))]
                images = torch.stack([_image_of(item) for item in items]).to(device)
                output = model(images)
                answers = getattr(output, "logits", output).argmax(dim=1).cpu().numpy()
                hits += int((answers == data.triggers.labels[start : start + batch]).sum())
    finally:
        if isinstance(model, nn.Module):
            model.train(training)
    return hits / len(data)


def _image_of(item: Any) -> Tensor:
    return torch.as_tensor(item["pixel_values"] if isinstance(item, Mapping) else item[0])
