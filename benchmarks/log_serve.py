"""64 clients for a minute against `wmproof log serve`, while a writer appends and publishes.

Prints JSON: requests a second, latencies, the server's memory, and whether anything was lost: every
entry that was acknowledged must be in the log afterwards, and no request may fail. Each request
comes from another visitor, as a trusted proxy says, since one visitor has 600 requests a minute.
"""

import argparse
import asyncio
import json
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psutil

from wmproof.publication.log.audit import audit
from wmproof.publication.log.entry import digest_entry
from wmproof.publication.log.note import SignatureKind
from wmproof.publication.log.reader import LogReader
from wmproof.publication.log.signing import NoteSigner
from wmproof.publication.log.store import Log, create_log

SIGNER = NoteSigner("example.com/load", SignatureKind.ED25519, secrets.token_bytes(32))
FIRST = 1000


class Writer(threading.Thread):
    """Appends one entry after another, and publishes after every tenth."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._log = Log(folder)
        self.acknowledged: dict[int, bytes] = {}
        self.stop = False

    def run(self) -> None:
        while not self.stop:
            entry = digest_entry(secrets.token_bytes(32))
            self.acknowledged[self._log.append(entry)] = entry
            if not len(self.acknowledged) % 10:
                self._log.checkpoint(SIGNER)
            time.sleep(0.02)
        self._log.checkpoint(SIGNER)


def paths(digest: str) -> list[str]:
    """Return what visitors ask for: files, the API, pages."""
    api = ("log", "entries?start=500&limit=20", f"keys/{digest}", f"keys/{digest}/proof")
    return ["/", "/checkpoint", "/tile/0/000", "/tile/entries/001", *(f"/api/v1/{a}" for a in api)]


async def client(
    port: int, asked: list[str], end: float, times: list[float], codes: Counter[int]
) -> None:
    """Ask for one thing after another over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < end:
        who = ".".join(map(str, (10, *secrets.token_bytes(3))))
        head = f"GET {secrets.choice(asked)} HTTP/1.1\r\nHost: localhost\r\n"
        start = time.monotonic()
        writer.write(f"{head}X-Forwarded-For: {who}\r\n\r\n".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", answer)
        assert length is not None, answer
        await reader.readexactly(int(length[1]))
        times.append(time.monotonic() - start)
        codes[int(answer.split(b" ", 2)[1])] += 1
    writer.close()


async def load(port: int, asked: list[str], clients: int, seconds: float) -> dict[str, object]:
    times: list[float] = []
    codes: Counter[int] = Counter()
    end = time.monotonic() + seconds
    await asyncio.gather(*(client(port, asked, end, times, codes) for _ in range(clients)))
    cuts = statistics.quantiles(times, n=100)
    return {
        "requests": len(times),
        "requests_a_second": len(times) / seconds,
        "p50_ms": 1000 * cuts[49],
        "p99_ms": 1000 * cuts[98],
        "longest_ms": 1000 * max(times),
        "codes": dict(codes),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "log"
        log = create_log(folder, SIGNER)
        digest = secrets.token_bytes(32)
        log.append_all([digest_entry(secrets.token_bytes(32)) for _ in range(FIRST - 1)])
        log.append(digest_entry(digest))
        log.checkpoint(SIGNER)
        command = [sys.executable, "-m", "wmproof", "log", "serve", str(folder), "--port", "0"]
        command += ["--trusted-proxy", "127.0.0.1", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            said = re.search(r":(\d+)/", server.stdout.readline() + server.stdout.readline())
            assert said is not None
            writer = Writer(folder)
            writer.start()
            asked = paths(digest.hex())
            figures = asyncio.run(load(int(said[1]), asked, chosen.clients, chosen.seconds))
            writer.stop = True
            writer.join()
            figures["server_megabytes"] = round(
                psutil.Process(server.pid).memory_info().rss / 2**20, 1
            )
            server.terminate()
        reader = LogReader(folder, SIGNER.verifier_key)
        entries = list(reader.entries())
        figures["acknowledged"] = len(writer.acknowledged)
        figures["lost"] = sum(entries[i] != e for i, e in writer.acknowledged.items())
        figures["entries_after_the_audit"] = audit(reader)
    print(json.dumps({"benchmark": "log_serve", **figures}, indent=2))


if __name__ == "__main__":
    main()
