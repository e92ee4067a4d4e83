"""What an experiment is about: a data set, a network, an owner, and how far sweeps go."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from wmproof.errors import InputError
from wmproof.training.recipe import Recipe

Pictures = Literal["abstract", "noise", "mixed", "directions"]


@dataclass(frozen=True)
class DataSpec:
    """Which images."""

    name: str
    """A data set of `wmproof.training.data`, 'imagenet', or 'parity': the digits turned by a
    quarter, even or odd, a second task for the smallest preset."""
    training: int | None = None
    test: int | None = None
    """training and test: a seeded sample of so many images; None for all."""
    side: int | None = None
    """Height and width to resize to."""


@dataclass(frozen=True)
class KeySpec:
    """A marking key to be made."""

    triggers: int
    """l. Of a public key about half of them are hidden, and those are embedded."""
    public: bool = True
    """PKeyGen with n = l / 4, or KeyGen, of which all triggers are embedded."""
    pictures: Pictures = "abstract"
    """Where the images come from; 'mixed' takes both kinds by turns, 'directions' draws groups."""
    group: int = 1
    """Pictures with one label."""

    def fields(self) -> dict[str, Any]:
        """Return what makes it again, as JSON knows it; without groups of one."""
        found = asdict(self)
        return {name: found[name] for name in found if name != "group" or self.group > 1}

    def __post_init__(self) -> None:
        coins = self.triggers // self.group
        if self.triggers < 4 or coins * self.group != self.triggers or (self.public and coins % 4):
            raise InputError(f"a key of {self.triggers} triggers cannot be made here")


@dataclass(frozen=True)
class Sweeps:
    """How far capacity, false claims and helps are tried; empty or zero for not at all."""

    capacity: tuple[int, ...] = ()
    """Numbers of triggers."""
    false_claims: int = 0
    """Triggers of the lying accuser."""
    false_claim_epsilon: float = 64.0
    """The largest change of a pixel in them."""
    helps: tuple[str, ...] = ()
    """'nothing changed', 'larger k', 'longer', 'mixed triggers', 'perturbed by SIZE', 'perturbed at
    random by SIZE', 'directions by GAIN'."""
    every_attack: bool = False
    """Whether each of them also meets every attack that trains on the stolen network."""
    innocents: int = 0
    """Networks without a mark from other seeds, asked for the owner's triggers."""


@dataclass(frozen=True)
class Setting:
    """One data set, one network, one owner."""

    name: str
    """Folder of its results."""
    data: DataSpec
    """The owner's and, as in the paper, also the attacker's."""
    network: str
    """One of `wmproof.training.networks`, or 'resnet18-imagenet', torchvision's."""
    width: int | None
    """Of the network."""
    recipe: Recipe
    """The owner's; attackers use its last learning rate for as many epochs."""
    key: KeySpec
    """TS-Orig and, of the same kind, TS-New."""
    items: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    """The parts of the suite, 1 to 7."""
    target: DataSpec | None = None
    """Of transfer learning."""
    transfer_epochs: int = 20
    seed: int = 0
    sweeps: Sweeps = field(default_factory=Sweeps)
    attacks: str | None = None
    """The preset whose strengths the attacks of `wmproof.training.attacks` take; None for none."""

    def common(self) -> dict[str, Any]:
        """Return what every unit of the setting reads, as JSON knows it."""
        return {
            "format": 1,
            "data": asdict(self.data),
            "network": self.network,
            "width": self.width,
            "recipe": self.recipe.fields(),
            "seed": self.seed,
        }
