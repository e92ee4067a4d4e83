"""What prover and verifier derive from public data alone: circuit, context, statement."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from wmproof._files import read_file
from wmproof.argument.system.statement import Security
from wmproof.circuit.compile import PIXEL_SCALES, compile_model, model_input_shape
from wmproof.circuit.format import digest as circuit_digest
from wmproof.circuit.ir import Circuit
from wmproof.errors import InputError
from wmproof.keys import PublicKey
from wmproof.models.base import fit_images
from wmproof.pverify.claim_file import ClaimHeader
from wmproof.strength import required_hits

NON_INTERACTIVE = Security()
"""100 bits, 16 of them by proof of work."""
INTERACTIVE = Security(bits=80, grinding_bits=0)
"""80 bits: a prover has one try with each set of coins, so there is nothing to search."""

_TAG = b"wmproof/pverify/v1"
_MODEL_LIMIT = 2**31


@dataclass(frozen=True, eq=False)
class PublicModel:
    """A model file with the circuit that stands for it under one public key.

    Attributes
    ----------
    digest : bytes
        SHA-256 of the file.
    circuit : Circuit
        Compiled with the key's opened triggers and the compiler's probes as the only calibration
        images and its default settings: nobody has a choice.
    context : bytes
        What the argument binds beside circuit, key and threshold.
    """

    digest: bytes
    circuit: Circuit
    context: bytes

    @property
    def circuit_digest(self) -> bytes:
        """SHA-256 of the circuit's canonical file."""
        return circuit_digest(self.circuit)

    def header(self, key: PublicKey, threshold: int, chunk_bits: int) -> ClaimHeader:
        """What a claim about this model says."""
        vk = key.verification_key.digest
        return ClaimHeader(self.digest, vk, self.circuit_digest, threshold, chunk_bits)


def open_public_model(model: Path | bytes, key: PublicKey, *, pixels: str = "raw") -> PublicModel:
    """Read and compile a model.

    Parameters
    ----------
    model : Path or bytes
        The ONNX file or its content.
    key : PublicKey
    pixels : str
        What a float model takes: 'raw' for 0..255, 'unit' for 0..1.

    Raises
    ------
    InputError
        As `circuit.compile.compile_model`, or if model and key are of different shapes.
    """
    data = model if isinstance(model, bytes) else read_file(model, limit=_MODEL_LIMIT)
    if pixels not in PIXEL_SCALES:
        raise InputError(f"pixels = {pixels!r}", remedy=f"Choose one of {sorted(PIXEL_SCALES)}")
    images = fit_images(key.opened.triggers.images, model_input_shape(data))
    circuit = compile_model(data, images, pixels=pixels).circuit
    digest = hashlib.sha256(data).digest()
    context = hashlib.sha256(_TAG.ljust(32, b"\0") + digest + pixels.encode().ljust(8, b"\0"))
    return PublicModel(digest, circuit, context.digest())


def default_threshold(key: PublicKey, tolerance: Fraction) -> int:
    """Hits among the hidden triggers that a claim needs."""
    return required_hits(len(key.verification_key.hidden_indices()), tolerance)
