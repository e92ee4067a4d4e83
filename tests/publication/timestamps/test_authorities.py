"""Authorities of every usual kind, asked with openssl; its verdict is compared with ours."""

import hashlib
import itertools
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from local_authority import DAY
from needs import needs

from wmproof.errors import WmproofError
from wmproof.publication.timestamps.contents import read_token
from wmproof.publication.timestamps.rfc3161 import verify_token
from wmproof.publication.timestamps.trust import load_roots

DATA = b"what is timestamped"
IMPRINTS = ("sha256", "sha384", "sha512")
KEYS = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
}
CONFIG = """
[tsa]
serial = {0}/serial
crypto_device = builtin
signer_cert = {0}/0.pem
signer_key = {0}/0.key
certs = {0}/chain.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_alg = {1}
{2}
"""


@dataclass(frozen=True)
class Chain:
    """A signer (0.pem) below `length` - 1 authorities; the last certificate is the root."""

    folder: Path
    length: int

    @property
    def roots(self) -> Path:
        return self.folder / f"{self.length - 1}.pem"

    @property
    def below(self) -> list[Path]:
        return [self.folder / f"{i}.pem" for i in range(self.length - 1)]

    def configure(self, *more: str, ess: str = "sha256") -> None:
        text = CONFIG.format(self.folder, ess, "\n".join(more))
        (self.folder / "ts.cnf").write_text(text)

    def stamp(self, imprint: str, *options: str) -> bytes:
        data, query, reply = (self.folder / name for name in ("data", "q.tsq", "r.tsr"))
        data.write_bytes(DATA)
        run("ts", "-query", "-data", data, f"-{imprint}", *options, "-out", query)
        config = ("-config", self.folder / "ts.cnf", "-section", "tsa")
        run("ts", "-reply", *config, "-queryfile", query, "-out", reply)
        return reply.read_bytes()


def run(*arguments: object, check: bool = True) -> bool:
    needs("openssl")
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=False)
    assert done.returncode == 0 or not check, done.stderr.decode()
    return done.returncode == 0


def make_chain(folder: Path, kind: str, length: int, valid=(-DAY, 300 * DAY)) -> Chain:
    folder.mkdir()
    now, keys = datetime.now(UTC), [KEYS[kind]() for _ in range(length)]
    spelled = [f"{folder.name} {kind} {i}" for i in range(length)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in spelled]
    for i, key in enumerate(keys):
        signer = min(i + 1, length - 1)
        first, last = valid if i == 0 else (-400 * DAY, 4000 * DAY)
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[i])
            .issuer_name(names[signer])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + first)
            .not_valid_after(now + last)
        )
        if i == 0:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
            builder = builder.add_extension(usage, critical=True)
        else:
            builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
        certificate = builder.sign(keys[signer], SHA256())
        (folder / f"{i}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        (folder / f"{i}.der").write_bytes(certificate.public_bytes(Encoding.DER))
        (folder / f"{i}.key").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
    chain = b"".join((folder / f"{i}.pem").read_bytes() for i in range(1, length))
    (folder / "chain.pem").write_bytes(chain or (folder / "0.pem").read_bytes())
    (folder / "serial").write_text("01\n")
    found = Chain(folder, length)
    found.configure()
    return found


def openssl_holds(chain: Chain, token: bytes, roots: Path, untrusted: list[Path]) -> bool:
    """OpenSSL's verdict at the time of the token, as ours is."""
    path, together = chain.folder / "check.tsr", chain.folder / "untrusted.pem"
    path.write_bytes(token)
    together.write_bytes(b"".join(p.read_bytes() for p in untrusted))
    more = ("-untrusted", together) if untrusted else ()
    when = str(int(read_token(token).gen_time.timestamp()))
    data = chain.folder / "data"
    return run(
        *("ts", "-verify", "-data", data, "-in", path, "-CAfile", roots, "-attime", when, *more),
        check=False,
    )


def holds(token: bytes, roots: Path, untrusted: list[Path]) -> bool:
    given = [c for path in untrusted for c in load_roots(path)]
    try:
        verify_token(
            token,
            lambda name: hashlib.new(name, DATA).digest(),
            load_roots(roots),
            intermediates=given,
            now=datetime.now(UTC) + timedelta(minutes=1),
        )
    except WmproofError:
        return False
    return True


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("kind", KEYS)
def test_openssl_and_we_agree(tmp_path, kind, length):
    chain, stranger = (
        make_chain(tmp_path / "a", kind, length),
        make_chain(tmp_path / "b", "p256", 2),
    )
    verdicts = []
    for imprint, certificates in itertools.product(IMPRINTS, (("-cert",), ())):
        token = chain.stamp(imprint, *certificates)
        for roots in {chain.roots, stranger.roots, chain.below[-1] if chain.below else chain.roots}:
            for untrusted in ([], chain.below, [stranger.roots], [*chain.below, chain.roots]):
                expected = openssl_holds(chain, token, roots, untrusted)
                verdicts.append(expected)
                case = imprint, certificates, roots, untrusted
                assert holds(token, roots, untrusted) == expected, case
    assert any(verdicts)
    assert not all(verdicts)


@pytest.mark.parametrize(
    "options",
    [
        ("accuracy = secs:2, millisecs:5, microsecs:7",),
        ("ordering = yes",),
        ("tsa_name = yes",),
        ("ess_cert_id_chain = yes",),
    ],
)
@pytest.mark.parametrize("nonce", ["-no_nonce", "-cert"])
@pytest.mark.parametrize("ess", ["sha1", "sha256", "sha384", "sha512"])
def test_what_an_authority_may_add(tmp_path, options, nonce, ess):
    chain = make_chain(tmp_path / "a", "p256", 3)
    chain.configure(*options, ess=ess)
    token = chain.stamp("sha256", "-cert", nonce)
    assert openssl_holds(chain, token, chain.roots, [])
    assert holds(token, chain.roots, [])


@pytest.mark.parametrize("valid", [(-30 * DAY, -DAY), (DAY, 30 * DAY)])
def test_a_signer_that_was_not_valid(tmp_path, valid):
    """`openssl ts` refuses to sign so; the certificate is exchanged for one of the same key."""
    chain = make_chain(tmp_path / "a", "p256", 2)
    token = chain.stamp("sha256")
    other = make_chain(tmp_path / "b", "p256", 2, valid)
    assert not openssl_holds(chain, token, other.roots, other.below)
    assert not holds(token, other.roots, other.below)


def test_an_authority_that_expired_since(tmp_path):
    """A token outlives its signer's certificate: the time of the token counts."""
    chain = make_chain(tmp_path / "a", "p256", 2, (-DAY, timedelta(minutes=5)))
    token = chain.stamp("sha256", "-cert")
    later = datetime.now(UTC) + 10 * DAY
    digest = hashlib.sha256(DATA).digest()
    verify_token(token, digest, load_roots(chain.roots), now=later)


def test_certificates_in_der_are_roots_too(tmp_path):
    chain = make_chain(tmp_path / "a", "rsa", 3)
    token = chain.stamp("sha256")
    below = [chain.folder / "0.der", chain.folder / "1.der"]
    assert holds(token, chain.folder / "2.der", below)
    assert not holds(token, chain.folder / "1.der", [chain.folder / "0.der"])


def test_a_token_that_carries_others_only_is_read(tmp_path):
    """What it says can be shown; that its signer's certificate is missing is no refusal."""
    chain = make_chain(tmp_path / "a", "p256", 3)
    token = chain.stamp("sha256", "-cert")
    own = x509.load_pem_x509_certificate((chain.folder / "0.pem").read_bytes())
    found = read_token(token)
    assert found.authority == own.subject.rfc4514_string()
    assert read_token(chain.stamp("sha256")).authority is None
    other = token.replace(own.serial_number.to_bytes(20, "big"), bytes([1]) * 20, 1)
    assert read_token(other).authority is None


def test_a_root_among_the_intermediates_is_not_trusted(tmp_path):
    chain, mine = make_chain(tmp_path / "a", "p256", 3), make_chain(tmp_path / "b", "p256", 2)
    token = chain.stamp("sha256", "-cert")
    assert not holds(token, mine.roots, [*chain.below, chain.roots])


def with_status(token: bytes, status: int) -> bytes:
    assert token.count(bytes.fromhex("3003020100")) >= 1
    return token.replace(bytes.fromhex("3003020100"), bytes([0x30, 3, 2, 1, status]), 1)


def test_granted_with_modifications_is_granted(tmp_path):
    chain = make_chain(tmp_path / "a", "p256", 2)
    token = chain.stamp("sha256", "-cert")
    for status in range(6):
        changed = with_status(token, status)
        if status < 2:
            assert openssl_holds(chain, changed, chain.roots, [])
            assert holds(changed, chain.roots, [])
        else:
            assert not holds(changed, chain.roots, [])
