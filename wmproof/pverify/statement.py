"""What prover and verifier derive from public data alone: circuit, context, statement."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from wmproof.argument.system.statement import Security
from wmproof.circuit.calibrate import Settings
from wmproof.circuit.compile import MOST_OPENED, compile_network, open_network
from wmproof.circuit.format import digest as circuit_digest
from wmproof.circuit.ir import Circuit
from wmproof.core.policy import Policy
from wmproof.keys import PublicKey
from wmproof.models.base import fit_images
from wmproof.models.file import ModelSource, model_file
from wmproof.pverify.bridge import Agreement, measure_agreement
from wmproof.pverify.claim_file import ClaimHeader

NON_INTERACTIVE = Security()
"""100 bits, 16 of them by proof of work."""
INTERACTIVE = Security(bits=80, grinding_bits=0)
"""80 bits: a prover has one try with each set of coins, so there is nothing to search."""

Progress = Callable[[str, float], None]
"""Is told the name of a phase and the share of it that is done."""


def unwatched(_phase: str, _done: float) -> None:
    """Progress that nobody follows."""


_TAG = b"wmproof/pverify/v1"


@dataclass(frozen=True, eq=False)
class PublicModel:
    """A model file with the circuit that stands for it under one public key."""

    digest: bytes
    """Of the file, and of the files of weights that it names, as `ModelFile.digest`."""
    circuit: Circuit
    """Compiled with the key's first opened triggers and the compiler's probes as the only
    calibration images, for the key's groups, and else with default settings: nobody has a
    choice."""
    context: bytes
    """What the argument binds beside circuit, key and threshold."""
    agreements: tuple[Agreement, ...]
    """How often circuit and model give one answer."""

    @property
    def circuit_digest(self) -> bytes:
        """SHA-256 of the circuit's canonical file."""
        return circuit_digest(self.circuit)

    def header(
        self, key: PublicKey, threshold: int, chunk_bits: int, triggers: int | None
    ) -> ClaimHeader:
        """What a claim about this model says."""
        vk = key.verification_key.digest
        return ClaimHeader(self.digest, vk, self.circuit_digest, threshold, chunk_bits, triggers)


def open_public_model(
    model: ModelSource, key: PublicKey, policy: Policy, progress: Progress = unwatched
) -> PublicModel:
    """Read and compile a model, and run both on the same pictures.

    InputError as `circuit.compile.compile_model`, or if model and key are of different shapes.

    Parameters
    ----------
    model : ModelFile, path or bytes
        The ONNX file, or its content if it names no other files.
    policy : Policy
        Says how the model is to be read.
    progress : callable
        Is told of each phase.
    """
    progress("compiling the model", 0)
    file, reading = model_file(model), policy.reading
    opened = key.opened.triggers.images[:MOST_OPENED]
    network = open_network(file, reading, opened.shape[1:])
    images = fit_images(opened, network.shapes[0])
    settings = Settings(group=key.verification_key.group)
    circuit = compile_network(network, images, settings).circuit
    del network  # its weights are twice as large as the file
    progress("comparing it with the model", 0)
    agreements = measure_agreement(file, circuit, images, policy)
    return PublicModel(file.digest, circuit, context_of(file.digest, reading.pixels), agreements)


def context_of(digest: bytes, pixels: str) -> bytes:
    """What a statement binds beside circuit and key: the model's digest, and how pixels are read.

    Samples are drawn by it, too.
    """
    return hashlib.sha256(_TAG.ljust(32, b"\0") + digest + pixels.encode().ljust(8, b"\0")).digest()
