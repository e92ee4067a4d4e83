"""Make the seeds that need a timestamp authority and a calendar: `python tests/fuzz/make_seeds.py`.

Their keys are thrown away. The others are made by `targets`, or are vectors of other tests.
"""

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "publication" / "timestamps")]


def main() -> None:
    from local_authority import make_authority
    from local_calendar import Calendar
    from local_server import serving

    from wmproof.publication.timestamps.calendars import stamp_digest, upgrade_ots

    with tempfile.TemporaryDirectory() as folder:
        authority = make_authority(Path(folder) / "trusted")
        (HERE / "seeds" / "token.tsr").write_bytes(authority.stamp(b"a public key, say"))
        (HERE / "seeds" / "ca.pem").write_bytes(authority.roots.read_bytes())
    calendar = Calendar()
    with serving(calendar.answer) as url:
        calendar.url = url
        promise = stamp_digest(bytes(32), [url])
        calendar.mine(7)
        (HERE / "seeds" / "promise.ots").write_bytes(promise)
        (HERE / "seeds" / "block.ots").write_bytes(upgrade_ots(promise, [url]).ots)
    (HERE / "seeds" / "headers").write_bytes(calendar.header_file())


if __name__ == "__main__":
    main()
