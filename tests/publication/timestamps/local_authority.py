"""A real timestamp authority: keys and certificates made here, tokens made by `openssl ts`."""

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from needs import needs

POLICY = "1.2.3.4.1"
TST_INFO = "1.2.840.113549.1.9.16.1.4"
DAY = timedelta(days=1)
CONFIG = """
[tsa]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
certs = {folder}/ca.pem
signer_digest = sha256
default_policy = {policy}
other_policies = 1.2.3.4.2
digests = sha256
accuracy = secs:1, millisecs:500
"""


def openssl(*arguments, **options) -> bytes:
    needs("openssl")
    result = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, **options)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass(frozen=True)
class Authority:
    """A folder with a root, a timestamping certificate, and what `openssl ts` needs."""

    folder: Path

    @property
    def roots(self):
        return self.folder / "ca.pem"

    def reply(self, query: bytes) -> bytes:
        """Answer a TimeStampReq, also with a refusal."""
        (self.folder / "query").write_bytes(query)
        needs("openssl")
        command = ["openssl", "ts", "-reply", "-config", str(self.folder / "ts.cnf")]
        command += ["-section", "tsa", "-queryfile", str(self.folder / "query")]
        return subprocess.run(command, capture_output=True, check=False).stdout

    def stamp(self, data: bytes, *options) -> bytes:
        (self.folder / "data").write_bytes(data)
        query = openssl("ts", "-query", "-data", self.folder / "data", "-sha256", "-cert", *options)
        return self.reply(query)

    def sign(self, info: bytes) -> bytes:
        """Sign any TSTInfo: what an authority with another clock or certificate would issue."""
        (self.folder / "info").write_bytes(info)
        signer = ("-signer", self.folder / "tsa.pem", "-inkey", self.folder / "tsa.key")
        kind = (
            "-econtent_type",
            TST_INFO,
            "-nodetach",
            "-binary",
            "-outform",
            "DER",
            "-nosmimecap",
            "-cades",
        )
        return openssl("cms", "-sign", "-in", self.folder / "info", *kind, *signer)

    def info(self, response: bytes) -> bytes:
        """Return the TSTInfo of a response."""
        (self.folder / "response").write_bytes(response)
        path = self.folder / "token"
        openssl("ts", "-reply", "-in", self.folder / "response", "-token_out", "-out", path)
        return openssl("cms", "-verify", "-noverify", "-in", path, "-inform", "DER", "-binary")


def make_authority(
    folder: Path,
    *,
    usage=ExtendedKeyUsageOID.TIME_STAMPING,
    valid=(-DAY, 365 * DAY),
) -> Authority:
    """Make a root and a certificate below it with the given purpose and validity."""
    folder.mkdir()
    now = datetime.now(UTC)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = name(f"root of {folder.name}")
    root = (
        _builder(root_name, root_name, root_key, now - 3650 * DAY, now + 3650 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(root_key, SHA256())
    )
    certificate = (
        _builder(name("time"), root_name, key, now + valid[0], now + valid[1])
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
        .sign(root_key, SHA256())
    )
    (folder / "ca.pem").write_bytes(root.public_bytes(Encoding.PEM))
    (folder / "tsa.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "tsa.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (folder / "serial").write_text("01\n")
    (folder / "ts.cnf").write_text(CONFIG.format(folder=folder, policy=POLICY))
    return Authority(folder)


def _builder(subject, issuer, key, first, last):
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(first)
        .not_valid_after(last)
    )
