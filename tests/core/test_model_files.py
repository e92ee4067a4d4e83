"""Models that keep weights in a second file: what is read, what is hashed, and what is refused."""

import hashlib
import mmap
import os

import numpy as np
import onnx
import onnxruntime
import pytest
from core_support import mlp_onnx, random_layers, wmproof
from hypothesis import given, settings
from hypothesis import strategies as st

from wmproof.circuit.compile import compile_model
from wmproof.errors import FormatError, InputError
from wmproof.models import OnnxClassifier, open_model
from wmproof.models.file import ModelFile, read_model_file

SHAPE = (1, 4, 4)
IMAGES = np.random.default_rng(3).integers(0, 256, (40, *SHAPE), dtype=np.uint8)


def network() -> onnx.ModelProto:
    return mlp_onnx(random_layers(SHAPE, 5), SHAPE)


@pytest.fixture
def two(tmp_path):
    """model.onnx with its weights in model.onnx.data, as torch's exporter writes them."""
    onnx.save(
        network(),
        tmp_path / "model.onnx",
        save_as_external_data=True,
        location="model.onnx.data",
        size_threshold=64,
        convert_attribute=False,
    )
    return tmp_path / "model.onnx"


def edited(path, **entries) -> onnx.ModelProto:
    """The model with other entries at its first tensor of another file."""
    model = onnx.load(path, load_external_data=False)
    tensor = next(t for t in model.graph.initializer if t.external_data)
    for key, value in entries.items():
        kept = [e for e in tensor.external_data if e.key != key]
        found = [(e.key, e.value) for e in kept] + ([(key, value)] if value is not None else [])
        del tensor.external_data[:]
        for name, text in found:
            tensor.external_data.add(key=name, value=text)
    path.write_bytes(model.SerializeToString())
    return model


def test_two_files_are_the_model_of_one(two):
    one = network().SerializeToString()
    file = read_model_file(two)
    assert list(file.weights) == ["model.onnx.data"]
    expected = OnnxClassifier(one).classify(IMAGES)
    assert np.array_equal(open_model(two).classify(IMAGES), expected)
    # ONNX Runtime, which reads the second file by itself, answers the same.
    session = onnxruntime.InferenceSession(str(two), providers=["CPUExecutionProvider"])
    logits = session.run(None, {session.get_inputs()[0].name: IMAGES})[0]
    assert np.array_equal(logits.argmax(axis=1), expected)
    assert compile_model(two, IMAGES).digest == compile_model(one, IMAGES).digest


def test_the_digest_covers_every_byte_of_both(two):
    data, weights = two.read_bytes(), two.with_name("model.onnx.data").read_bytes()
    name = b"model.onnx.data"
    expected = hashlib.sha256(
        b"wmproof/model-files/v1".ljust(32, b"\0")
        + hashlib.sha256(data).digest()
        + len(name).to_bytes(2, "big")
        + name
        + len(weights).to_bytes(8, "big")
        + hashlib.sha256(weights).digest()
    ).digest()
    assert read_model_file(two).digest == expected
    longer = {"model.onnx.data": weights + b"\0"}
    assert ModelFile(data, longer).digest != expected
    one = network().SerializeToString()
    assert ModelFile(one, {}).digest == hashlib.sha256(one).digest()


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_another_byte_is_another_digest(data):
    model = onnx.load_from_string(network().SerializeToString())
    weights = b""
    for tensor in model.graph.initializer:
        raw = onnx.numpy_helper.to_array(tensor).tobytes()
        for field in ("raw_data", "float_data", "int64_data"):
            tensor.ClearField(field)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", "w"), ("offset", len(weights)), ("length", len(raw))):
            tensor.external_data.add(key=key, value=str(value))
        weights += raw
    file = ModelFile(model.SerializeToString(), {"w": weights})
    place = data.draw(st.integers(0, len(weights) - 1))
    changed = bytearray(weights)
    changed[place] ^= data.draw(st.integers(1, 255))
    assert ModelFile(file.data, {"w": bytes(changed)}).digest != file.digest


@pytest.mark.parametrize(
    "name",
    [
        "../model.onnx.data",
        "/etc/passwd",
        "sub/model.onnx.data",
        "..",
        ".",
        "",
        "C:weights",
        "\\\\server\\weights",
        "*/_ORT_MEM_ADDR_/*",
        "a\0b",
        "x" * 300,
    ],
)
def test_names_that_leave_the_folder(two, name):
    edited(two, location=name)
    with pytest.raises(FormatError, match="not the name of one in the model's own folder"):
        open_model(two)


def test_links_and_pipes_are_refused(two):
    weights = two.with_name("model.onnx.data")
    weights.rename(two.with_name("moved"))
    weights.symlink_to(two.with_name("moved"))
    with pytest.raises(InputError, match=r"is a symbolic link.*Copy model and weights"):
        open_model(two)
    weights.unlink()
    os.mkfifo(weights)
    with pytest.raises(InputError, match="is not a file"):
        open_model(two)
    weights.unlink()
    weights.mkdir()
    with pytest.raises(InputError, match=r"cannot be read|is not a file"):
        open_model(two)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"offset": "-4"}, "which is no number"),
        ({"offset": "0x10"}, "which is no number"),
        ({"offset": "4 "}, "which is no number"),
        ({"offset": "9" * 15}, "reaches to byte"),
        ({"length": "3"}, "has 3 bytes in another file, and needs"),
        ({"basepath": "/"}, "says .*basepath"),
    ],
)
def test_places_that_are_none(two, entries, words):
    edited(two, **entries)
    with pytest.raises(FormatError, match=words):
        open_model(two)


def test_what_could_be_read_in_two_ways(two):
    model = onnx.load(two, load_external_data=False)
    tensor = next(t for t in model.graph.initializer if t.external_data)
    both = onnx.ModelProto()
    both.CopyFrom(model)
    tensor.external_data.add(key="offset", value="0")
    two.write_bytes(model.SerializeToString())
    with pytest.raises(FormatError, match="of its weights' file"):
        open_model(two)
    next(t for t in both.graph.initializer if t.external_data).raw_data = bytes(4)
    two.write_bytes(both.SerializeToString())
    with pytest.raises(FormatError, match="both in the model and in another file"):
        open_model(two)


def test_few_bytes_that_are_used_again_and_again(two):
    model = onnx.load(two, load_external_data=False)
    tensor = max(model.graph.initializer, key=lambda t: int(np.prod(t.dims)))
    for index in range(200):
        model.graph.initializer.add().CopyFrom(tensor)
        model.graph.initializer[-1].name = f"copy{index}"
    two.write_bytes(model.SerializeToString())
    with pytest.raises(FormatError, match="again and again"):
        open_model(two)


def test_weights_beyond_the_end_of_a_protocol_buffer(monkeypatch):
    """Of more than 2 GiB, nearly all of it a table that no layer reads, as zeros of no memory."""
    model, size = network(), 2**31 + 2**20
    weights = mmap.mmap(-1, size)
    for tensor in model.graph.initializer:
        raw = onnx.numpy_helper.to_array(tensor).tobytes()
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        size -= len(raw)
        weights[size : size + len(raw)] = raw
        for key, value in (("location", "w"), ("offset", size)):
            tensor.external_data.add(key=key, value=str(value))
    dead = model.graph.initializer.add(name="dead", dims=[2**19, 2**10], data_type=1)
    dead.data_location = onnx.TensorProto.EXTERNAL
    dead.external_data.add(key="location", value="w")
    file = ModelFile(model.SerializeToString(), {"w": weights})
    assert file.outside["dead"].nbytes == 2**31
    one = network().SerializeToString()
    assert np.array_equal(OnnxClassifier(file).scores(IMAGES), OnnxClassifier(one).scores(IMAGES))
    assert compile_model(file, IMAGES).digest == compile_model(one, IMAGES).digest
    monkeypatch.setenv("WMPROOF_MODEL_LIMIT", "2")
    with pytest.raises(InputError, match=r"larger than 2147483648 bytes.*WMPROOF_MODEL_LIMIT"):
        ModelFile(file.data, {"w": weights})


@pytest.mark.parametrize("said", ["0", "-1", "1025", "2.5", "many"])
def test_limits_that_are_none(two, monkeypatch, said):
    monkeypatch.setenv("WMPROOF_MODEL_LIMIT", said)
    with pytest.raises(InputError, match="not a whole number of GiB from 1 to 1024"):
        read_model_file(two)


def test_weights_at_any_place_and_of_any_float(two):
    """Numbers that begin at odd bytes, and of half as many bytes, are what the runtime reads."""
    model, weights = onnx.load(two, load_external_data=False), two.with_name("model.onnx.data")
    data = weights.read_bytes()
    for tensor in model.graph.initializer:
        for entry in (e for e in tensor.external_data if e.key == "offset"):
            entry.value = str(int(entry.value) + 1)
    weights.write_bytes(b"x" + data)
    two.write_bytes(model.SerializeToString())
    one = OnnxClassifier(network().SerializeToString())
    assert np.array_equal(open_model(two).scores(IMAGES), one.scores(IMAGES))
    session = onnxruntime.InferenceSession(str(two), providers=["CPUExecutionProvider"])
    logits = session.run(None, {session.get_inputs()[0].name: IMAGES})[0]
    assert np.array_equal(open_model(two).scores(IMAGES), logits)


def test_a_function_is_put_in_beside_large_weights(two):
    model = onnx.load(two, load_external_data=False)
    node = next(n for n in model.graph.node if n.op_type == "Relu")
    body = [onnx.helper.make_node("Relu", ["a"], ["b"])]
    imports = [onnx.helper.make_opsetid("", model.opset_import[0].version)]
    model.functions.append(onnx.helper.make_function("own", "Bend", ["a"], ["b"], body, imports))
    model.opset_import.append(onnx.helper.make_opsetid("own", 1))
    node.op_type, node.domain = "Bend", "own"
    two.write_bytes(model.SerializeToString())
    one = network().SerializeToString()
    assert read_model_file(two).outside
    assert np.array_equal(open_model(two).scores(IMAGES), OnnxClassifier(one).scores(IMAGES))
    assert compile_model(two, IMAGES).digest == compile_model(one, IMAGES).digest


def test_a_file_that_nobody_names():
    with pytest.raises(FormatError, match="does not name the file of weights 'other'"):
        ModelFile(network().SerializeToString(), {"other": b""})


def test_every_command_names_the_file_that_is_missing(two, marked):
    """The same words from all, with the name of the model and of the file that it needs."""
    digest = read_model_file(two).digest.hex()
    told = wmproof("inspect", two, "--json", cwd=two.parent)
    assert digest in told.stdout
    two.with_name("model.onnx.data").unlink()
    public, key = marked / "owner.pvk", marked / "owner.mk"
    commands = [
        ("inspect", two),
        ("compile", two, "--public-key", public),
        ("verify", two, "--key", key, "--verification-key", public),
        ("examine", two, "--key", key),
        ("bundle", two, "--public-key", public, "-o", "out.bundle"),
    ]
    for command in commands:
        done = wmproof(*command, cwd=two.parent)
        assert done.returncode == 2, done.stdout
        assert "model.onnx.data" in done.stderr, command
        assert "put it beside the model" in done.stderr, command


@pytest.mark.parametrize("text", [b"Gemm", b"logits", b"location"])
def test_texts_that_are_not_utf_8(two, text):
    """Protobuf gives them as bytes, which no comparison and no message expects."""
    data = two.read_bytes()
    assert text in data
    two.write_bytes(data.replace(text, b"\xff" + text[1:]))
    with pytest.raises(InputError, match="not UTF-8"):
        read_model_file(two)
