"""VGG-11 with batch normalisation (Simonyan and Zisserman, configuration A, 2015)."""

from torch import Tensor, nn

_PLAN: tuple[int | str, ...] = (1, "pool", 2, "pool", 4, 4, "pool", 8, 8, "pool", 8, 8, "pool")


class VGG11(nn.Module):
    """Eight 3x3 convolutions and one fully connected layer, as is usual for 32x32 images.

    A pooling is left out once a side is a single pixel, so that small images work.

    `width` is the number of feature maps of the first convolution; 64 gives the original.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, width: int) -> None:
        super().__init__()
        channels, *sides = shape
        layers: list[nn.Module] = []
        for step in _PLAN:
            if isinstance(step, int):
                layers += _convolution(channels, step * width)
                channels = step * width
            elif min(sides) >= 2:
                layers.append(nn.MaxPool2d(2))
                sides = [side // 2 for side in sides]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(channels * sides[0] * sides[1], classes)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, classes)."""
        logits: Tensor = self.classifier(self.features(images))
        return logits


def _convolution(channels: int, maps: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, maps, 3, padding=1, bias=False), nn.BatchNorm2d(maps), nn.ReLU()]
