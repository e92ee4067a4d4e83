"""LeNet-5 (LeCun et al., 'Gradient-based learning applied to document recognition', 1998)."""

from torch import Tensor, nn

from wmproof.errors import InputError

_KERNEL = 5
_SMALLEST_UNPADDED = 12


class LeNet5(nn.Module):
    """Two 5x5 convolutions and three fully connected layers, in today's dress.

    ReLU and maximum pooling stand in for the scaled tangent and the trained subsampling. The first
    convolution is padded for images under 32 pixels, as is usual for 28; the second one is padded
    where the first pooling leaves fewer than 12 pixels, so that images of 4x4 and more work.

    `width` is the number of feature maps of the first convolution; 6 gives the original's 6, 16,
    120 and 84.

    Raises
    ------
    InputError
        The images have a side under 4 pixels.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, width: int) -> None:
        super().__init__()
        channels, *sides = shape
        if min(sides) < 4:
            raise InputError(f"LeNet-5 needs images of at least 4x4, not {sides[0]}x{sides[1]}")
        maps = [width, _scaled(16, width)]
        units = [_scaled(120, width), _scaled(84, width)]
        first = 0 if min(sides) >= 32 else _KERNEL // 2
        sides = [_pooled(side, first) for side in sides]
        second = 0 if min(sides) >= _SMALLEST_UNPADDED else _KERNEL // 2
        sides = [_pooled(side, second) for side in sides]
        self.features = nn.Sequential(
            nn.Conv2d(channels, maps[0], _KERNEL, padding=first),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(maps[0], maps[1], _KERNEL, padding=second),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(maps[1] * sides[0] * sides[1], units[0]),
            nn.ReLU(),
            nn.Linear(units[0], units[1]),
            nn.ReLU(),
            nn.Linear(units[1], classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, classes)."""
        logits: Tensor = self.classifier(self.features(images))
        return logits


def _scaled(units: int, width: int) -> int:
    return max(1, round(units * width / 6))


def _pooled(side: int, padding: int) -> int:
    return (side + 2 * padding - _KERNEL + 1) // 2
