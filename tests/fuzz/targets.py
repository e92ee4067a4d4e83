"""Every parser of bytes from outside, with seeds: what a target raises is the package's own error.

`test_parsers` attacks them with the suite, `campaign` for as long as one likes.
"""

import gzip
import hashlib
import io
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from PIL import Image

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent / "publication"), str(HERE.parent / "core")]

from log_support import LOG, VECTORS, WITNESS, seeded_log  # noqa: E402

from wmproof.argument import codec  # noqa: E402
from wmproof.circuit.compile import compile_model  # noqa: E402
from wmproof.circuit.format import decode, encode  # noqa: E402
from wmproof.circuit.format import load as load_circuit  # noqa: E402
from wmproof.circuit.images import read_images  # noqa: E402
from wmproof.cli.options import ask_passphrase, read_signing_key  # noqa: E402
from wmproof.cli.sheets import read_class_names  # noqa: E402
from wmproof.cli.specimen import EVIDENCE, LOG_KEY, WITNESS_KEY, read_specimen  # noqa: E402
from wmproof.commitment.sha256_sis import parse_inner  # noqa: E402
from wmproof.core.triggers import from_folder, parse_shape  # noqa: E402
from wmproof.errors import WmproofError  # noqa: E402
from wmproof.experiments.store import Store, open_folder  # noqa: E402
from wmproof.keys import (  # noqa: E402
    load_batch_opening,
    load_public_key,
    load_verification_key,
    parse_public_key,
    parse_verification_key,
)
from wmproof.keys.batch import parse_batch_header, parse_batch_opening  # noqa: E402
from wmproof.keys.encryption import parse_marking_key_header  # noqa: E402
from wmproof.keys.keygen import keygen, keygen_bounded, pkeygen  # noqa: E402
from wmproof.keys.marking_key import parse_secret_bytes  # noqa: E402
from wmproof.keys.signature import load_signer, load_signing_key, save_signing_key  # noqa: E402
from wmproof.models.file import read_model_file  # noqa: E402
from wmproof.models.open_inference import protocol, strict_json  # noqa: E402
from wmproof.models.open_inference.transcript import load_transcript  # noqa: E402
from wmproof.publication.announce.card import Announcement, read_card, with_section  # noqa: E402
from wmproof.publication.announce.manifest import (  # noqa: E402
    load_key,
    load_private_key,
    read_manifest,
    sign_manifest,
)
from wmproof.publication.bundle.format import load_bundle, parse_bundle  # noqa: E402
from wmproof.publication.bundle.pack import make_bundle  # noqa: E402
from wmproof.publication.log.checkpoint import open_checkpoint, parse_checkpoint  # noqa: E402
from wmproof.publication.log.journal import Journal  # noqa: E402
from wmproof.publication.log.note import (  # noqa: E402
    parse_note,
    parse_signature_line,
    parse_verifier_key,
)
from wmproof.publication.log.published import load_published, published_path  # noqa: E402
from wmproof.publication.log.reader import LogReader, read_verifier_key  # noqa: E402
from wmproof.publication.log.tiles import parse_bundle as parse_entries  # noqa: E402
from wmproof.publication.log.tiles import parse_tile_path  # noqa: E402
from wmproof.publication.log.tlog_proof import (  # noqa: E402
    parse_consistency_proof,
    parse_inclusion_proof,
)
from wmproof.publication.log.witness import Witness  # noqa: E402
from wmproof.publication.timestamps.block_headers import load_headers  # noqa: E402
from wmproof.publication.timestamps.contents import read_ots, read_token  # noqa: E402
from wmproof.publication.timestamps.ots import verify_ots  # noqa: E402
from wmproof.publication.timestamps.rfc3161 import verify_token  # noqa: E402
from wmproof.publication.timestamps.trust import load_roots  # noqa: E402
from wmproof.pverify.claim_file import ClaimHeader, encode_claim, parse_claim  # noqa: E402
from wmproof.pverify.session import parse_address  # noqa: E402
from wmproof.training.checkpoint import Checkpoint  # noqa: E402
from wmproof.training.data.folder import load_folder  # noqa: E402
from wmproof.training.data.idx import read_idx  # noqa: E402
from wmproof.training.weights import load_weights  # noqa: E402

V1 = HERE.parent / "core" / "vectors" / "v1"
SHAPE = (1, 4, 4)
ANNOUNCED = Announcement("0" * 64)
STAMPED = hashlib.sha256(b"a public key, say").digest()
Check = Callable[[bytes, Path], object]


@dataclass(frozen=True)
class Target:
    """Bytes that it accepts, and what it does with any: in a folder of its own."""

    seeds: list[bytes]
    check: Check


def _seed(name: str) -> bytes:
    return (HERE / "seeds" / name).read_bytes()


def _v1(name: str) -> bytes:
    return (V1 / name).read_bytes()


def _canonical(parse: Callable[[bytes], object], encoded: Callable[..., bytes]) -> Check:
    """What a parser accepts is the one encoding of what it returns."""

    def check(data: bytes, _folder: Path) -> None:
        assert encoded(parse(data)) == data

    return check


def _each(parsers: tuple[Callable[[Any], object], ...], given: Any) -> None:
    """Have all parsers try; refuse where all refuse."""
    errors = []
    for parse in parsers:
        try:
            parse(given)
        except WmproofError as error:
            errors.append(error)
    if len(errors) == len(parsers):
        raise errors[0]


def _only(*parsers: Callable[[bytes], object]) -> Check:
    return lambda data, _folder: _each(parsers, data)


def _text(*parsers: Callable[[str], object]) -> Check:
    return lambda data, _folder: _each(parsers, data.decode("utf-8", "replace"))


def _file(*parsers: Callable[[Path], object], name: str = "file") -> Check:
    """The bytes are a file."""

    def check(data: bytes, folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        _each(parsers, path)

    return check


def _archive(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _picture(kind: str, mode: str = "L") -> bytes:
    buffer = io.BytesIO()
    picture = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4)).convert(mode)
    picture.save(buffer, kind)
    return buffer.getvalue()


def _saved(state: object) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


@cache
def _network():
    import torch

    return torch.nn.Linear(2, 2)


def _pictures(data: bytes, folder: Path) -> None:
    """The one picture of a folder, and of each class for training and for testing."""
    for place in ("one", "split/train/a", "split/train/b", "split/test/a", "split/test/b"):
        (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / place / "p.png").write_bytes(data)
    _each(
        (lambda path: from_folder(path, 1, SHAPE), lambda path: read_images(path, SHAPE)),
        folder / "one",
    )
    load_folder(folder / "split", SHAPE)


def _field_elements(data: bytes, _folder: Path) -> None:
    whole = data[: len(data) - len(data) % 16]
    codec.decode_base(whole, "m")
    codec.decode_elements(whole, "m")
    codec.decode_vector(whole, "m")
    rows = whole[: len(whole) - len(whole) % 1280]
    parse_inner(np.frombuffer(rows, np.uint8).reshape(-1, 1280))


@cache
def _log(folder: Path) -> tuple[LogReader, list[Path]]:
    made = seeded_log(folder / "log", 300)
    made.checkpoint(LOG)
    files = sorted(path for path in made.folder.glob("tile/**/*") if path.is_file())
    return LogReader(made.folder, LOG.verifier_key), files


def _log_folder(data: bytes, folder: Path) -> None:
    """The first byte chooses the file of a log that has these bytes."""
    log, files = _log(folder)
    path = files[data[0] % len(files)] if data else files[0]
    before = path.read_bytes()
    path.write_bytes(data[1:])
    try:
        list(log.entries())
        log.check_tiles()
        log.prove_inclusion(299)
    finally:
        path.write_bytes(before)


def _unit(data: bytes, folder: Path) -> None:
    store = Store(folder / "store")
    (folder / "store" / "units" / "u.json").write_bytes(data)
    readers = (lambda _: store.read("u", "f"), lambda _: store.load_weights("u", _network(), "f"))
    _each(readers, None)


def _witnessed(data: bytes, folder: Path) -> None:
    shutil.rmtree(folder / "witness", ignore_errors=True)
    Witness(folder / "witness", WITNESS, clock=lambda: 1_900_000_000).add_checkpoint(
        data, LOG.verifier_key
    )


def _checkpoint(data: bytes, _folder: Path) -> None:
    open_checkpoint(data, LOG.verifier_key)


METADATA = protocol.ModelMetadata("x", "UINT8", SHAPE, None, "y", 10)
_TENSOR = {"name": "x", "datatype": "UINT8", "shape": [-1, *SHAPE]}
_SCORES = {"name": "y", "datatype": "FP32", "shape": [1, 2], "data": [0.5, 1e3]}
_ABOUT = {"name": "m", "inputs": [_TENSOR], "outputs": [_SCORES | {"shape": [-1, 10]}]}
_REPLY = {"model_name": "m", "id": "0", "outputs": [_SCORES]}


def _json(fields: object) -> bytes:
    return json.dumps(fields).encode()


_ENDPOINT = _only(
    lambda data: strict_json.read_object(data, "w"),
    lambda data: protocol.read_metadata(data, "m", "w"),
    lambda data: protocol.read_reply(data, METADATA, "m", None, 0, "w"),
    lambda data: protocol.read_request(data, METADATA, 0, "w"),
)


def _signer_file(folder: Path) -> bytes:
    save_signing_key(folder / "seed.pem", bytes(32))
    return (folder / "seed.pem").read_bytes()


@cache
def _keys() -> tuple[bytes, ...]:
    """Keys of the present version, of each kind."""
    images = np.random.default_rng(0).integers(0, 256, (8, 4, 4), dtype=np.uint8)
    private, vk = keygen(images, 10)
    bounded, bounded_vk = keygen_bounded(images, 10, batches=2)
    public = pkeygen(
        np.tile(images, (2, 1, 1)) ^ np.arange(16, dtype=np.uint8)[:, None, None], 10, security=4
    )
    opening = bounded.after_reveal().batch_opening(1)
    return (
        vk.to_bytes(),
        bounded_vk.to_bytes(),
        public[1].to_bytes(),
        private.to_secret_bytes(),
        public[0].to_secret_bytes(),
        opening.to_bytes(),
    )


def _transcript() -> bytes:
    vectors = HERE.parent / "remote" / "vectors" / "vectors.json"
    return bytes.fromhex(json.loads(vectors.read_text())["transcript"])


def _journal(folder: Path) -> bytes:
    """One with frames: what was appended and is in no checkpoint."""
    return (seeded_log(folder / "other", 3).folder / ".state" / "journal").read_bytes()


def _manifest(folder: Path) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "p256.pem").write_bytes(pem)
    (folder / "signed").mkdir(exist_ok=True)
    (folder / "signed" / "file").write_bytes(b"a model")
    return sign_manifest(folder / "signed", ANNOUNCED, key, ignored=())


def _beside(model: bytes, folder: Path) -> bytes:
    """The model with its first weights in a second file of the folder."""
    import onnx

    found = onnx.load_from_string(model)
    tensor = found.graph.initializer[0]
    content = onnx.numpy_helper.to_array(tensor).tobytes()
    (folder / "beside").mkdir(exist_ok=True)
    (folder / "beside" / "weights").write_bytes(content)
    for field in ("raw_data", "float_data", "int32_data", "int64_data"):
        tensor.ClearField(field)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "weights"), ("offset", "0"), ("length", str(len(content)))):
        tensor.external_data.add(key=key, value=value)
    return found.SerializeToString()


def _tile(text: str) -> None:
    """A path that is accepted is the tile's own."""
    found = parse_tile_path(text)
    assert found is None or found.path == text


def attempt(target: Target, data: bytes, folder: Path) -> bool:
    """Whether the target accepts the bytes; anything but the package's own error is raised."""
    try:
        target.check(data, folder)
    except WmproofError:
        return False
    return True


def targets(folder: Path) -> dict[str, Target]:
    """All targets; seeds that are made need a folder."""
    vk, bounded_vk, pvk, secret, public_secret, opening = _keys()
    v1_bounded = parse_verification_key(_v1("bounded.vk"))
    bounded = parse_verification_key(bounded_vk)
    roots = load_roots(HERE / "seeds" / "ca.pem")
    headers = load_headers(HERE / "seeds" / "headers")
    log, files = _log(folder)
    small = make_bundle(parse_public_key(pvk), bytes(32))
    model = _v1("marked.onnx")
    images = np.zeros((2, *SHAPE), np.uint8)

    def published(path: Path) -> object:
        return load_published(path.parents[1], parse_public_key(pvk).digest)

    keys_path = published_path(Path(), parse_public_key(pvk).digest)
    proof = log.prove_inclusion(7).to_bytes()
    request = log.consistency_request(0).to_bytes()
    note = log.signed.note.to_bytes()
    cosigned = VECTORS["cosigned"]["note"].encode()
    line = cosigned.decode().rstrip("\n").split("\n")[-1].encode()
    return {
        "public key": Target([_v1("derived.pvk"), _v1("secret.pvk"), pvk], _file(load_public_key)),
        "public key, canonical": Target(
            [pvk], _canonical(parse_public_key, lambda k: k.to_bytes())
        ),
        "verification key": Target(
            [_v1("private.vk"), _v1("bounded.vk"), vk, bounded_vk],
            _canonical(parse_verification_key, lambda key: key.to_bytes()),
        ),
        "verification key, file": Target([vk], _file(load_verification_key)),
        "marking key": Target([_v1("private.mk")], _only(parse_marking_key_header)),
        "secret bytes": Target(
            [secret, public_secret],
            _canonical(parse_secret_bytes, lambda key: key.to_secret_bytes()),
        ),
        "opening, version 1": Target(
            [_v1("bounded-1.opening")], _file(lambda path: load_batch_opening(path, v1_bounded))
        ),
        "opening": Target(
            [opening], _canonical(lambda d: parse_batch_opening(d, bounded), lambda o: o.to_bytes())
        ),
        "header of an opening": Target([opening], _only(parse_batch_header)),
        "claim": Target(
            [
                encode_claim(ClaimHeader(bytes(32), bytes(32), bytes(32), 5, 3, *more), b"argument")
                for more in ((None, 1), (100,))
            ],
            _canonical(parse_claim, lambda parts: encode_claim(*parts)),
        ),
        "field elements": Target([bytes(1280), bytes(range(64))], _field_elements),
        "circuit": Target(
            [(ROOT / "circuits" / "mlp.circuit").read_bytes()], _canonical(decode, encode)
        ),
        "circuit, file": Target(
            [(ROOT / "circuits" / "lenet.circuit").read_bytes()], _file(load_circuit)
        ),
        "model": Target(
            [model], _only(lambda data: compile_model(data, np.zeros((1, 1, 5, 5), np.uint8)))
        ),
        "model, with weights beside it": Target(
            [_beside(model, folder)], _file(read_model_file, name="beside/model.onnx")
        ),
        "tile path": Target([b"tile/0/x001/234.p/5", b"tile/entries/067"], _text(_tile)),
        "bundle": Target([small.to_bytes()], _file(load_bundle)),
        "bundle, canonical": Target(
            [small.to_bytes(), read_specimen(EVIDENCE)],
            _canonical(parse_bundle, lambda one: one.to_bytes()),
        ),
        "transcript": Target([_transcript()], _file(load_transcript)),
        "npz": Target(
            [_archive(images=images, labels=np.arange(2))],
            _file(lambda path: read_images(path, SHAPE), name="a.npz"),
        ),
        "picture": Target(
            [
                _picture("PNG"),
                _picture("TIFF"),
                _picture("GIF"),
                _picture("BMP"),
                _picture("PPM"),
                _picture("JPEG", "RGB"),
                _picture("PNG", "I;16"),
                _picture("WEBP", "RGB"),
            ],
            _pictures,
        ),
        "idx": Target(
            [b"\0\0\x08\1\0\0\0\2ab"],
            _file(lambda path: read_idx(path.parent, "plain", 1), name="plain"),
        ),
        "idx, packed": Target(
            [gzip.compress(b"\0\0\x08\1\0\0\0\2ab")],
            _file(lambda path: read_idx(path.parent, "packed", 1), name="packed.gz"),
        ),
        "note": Target(
            [note, cosigned, VECTORS["notes"][0]["note"].encode()],
            _canonical(parse_note, lambda one: one.to_bytes()),
        ),
        "signature line": Target([line], _text(parse_signature_line)),
        "verifier key": Target(
            [read_specimen(LOG_KEY).strip(), read_specimen(WITNESS_KEY).strip()],
            _text(parse_verifier_key),
        ),
        "verifier key of a log": Target(
            [read_specimen(LOG_KEY)],
            _file(lambda path: read_verifier_key(path.parent), name="other-log/log.vkey"),
        ),
        "checkpoint": Target([note], _checkpoint),
        "checkpoint's text": Target([log.signed.note.text.encode()], _text(parse_checkpoint)),
        "inclusion proof": Target([proof], _only(parse_inclusion_proof)),
        "consistency proof": Target([request], _only(parse_consistency_proof)),
        "request to a witness": Target([request], _witnessed),
        "entries": Target(
            [bytes.fromhex(VECTORS["tessera"]["bundle"])],
            _only(lambda data: parse_entries(data, 7, "entries")),
        ),
        "folder of a log": Target(
            [bytes([i]) + path.read_bytes() for i, path in enumerate(files)], _log_folder
        ),
        "journal": Target(
            [(log.folder / ".state" / "journal").read_bytes(), _journal(folder)],
            _file(lambda path: Journal(path).refresh()),
        ),
        "published key": Target([pvk], _file(published, name=str(keys_path))),
        "RFC 3161 token": Target(
            [_seed("token.tsr")],
            _only(lambda data: verify_token(data, lambda _: STAMPED, roots), read_token),
        ),
        "OpenTimestamps": Target(
            [_seed("promise.ots"), _seed("block.ots")],
            _only(
                lambda data: verify_ots(data, bytes(32), headers, minimum_difficulty=1e-12),
                read_ots,
            ),
        ),
        "block headers": Target([_seed("headers")], _file(load_headers)),
        "roots": Target([_seed("ca.pem")], _file(load_roots)),
        "signing key": Target(
            [_signer_file(folder)],
            _file(read_signing_key, load_signing_key, lambda path: load_signer(str(path))),
        ),
        "replies of an endpoint": Target(
            [
                _json(_ABOUT),
                _json(_REPLY),
                protocol.encode_request(METADATA, np.zeros((1, *SHAPE), np.uint8), 0),
            ],
            _ENDPOINT,
        ),
        "checkpoint of a training": Target(
            [_saved({"format": "wmproof-training-1", "run": "f", "x": _network().weight})],
            _file(
                lambda path: Checkpoint(path.parent, "f").load(_network().weight.device),
                name="run/training.ckpt",
            ),
        ),
        "weights": Target(
            [_saved(_network().state_dict())],
            _file(lambda path: load_weights(_network(), path)),
        ),
        "result of a unit": Target(
            [_json({"format": "wmproof-experiment-1", "fingerprint": "f", "results": {}})], _unit
        ),
        "experiment": Target(
            [_json({"format": "wmproof-experiment-1", "preset": "desk"})],
            _file(lambda path: open_folder(path.parent, "desk"), name="x/experiment.json"),
        ),
        "model card": Target([with_section("# A model", ANNOUNCED).encode()], _text(read_card)),
        "manifest": Target([_manifest(folder)], _only(read_manifest)),
        "key of a manifest": Target(
            [(folder / "p256.pem").read_bytes()], _file(load_private_key, load_key)
        ),
        "class names": Target([b"cat\ndog\n"], _file(lambda path: read_class_names(path, 2))),
        "passphrase": Target([b"secret\n"], _file(ask_passphrase)),
        "words": Target([b"1x4x4", b"127.0.0.1:80"], _text(parse_shape, parse_address)),
    }
