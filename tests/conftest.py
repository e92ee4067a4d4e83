"""The tiers of the tests, their groups for several processes, and what every run ends with."""

import signal
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is slow, not wrong.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# Who is started in the background ignores Ctrl-C, and so would all programs that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS = Path(__file__).parent
# The quick tier: every layer is touched, nothing is trained or proved at full size. By name: a new
# file joins it by decision, not by its first letter.
QUICK = (
    "core/test_commitment.py",
    "core/test_contact_sheet.py",
    "core/test_files.py",
    "core/test_key_check.py",
    "core/test_key_version_1.py",
    "core/test_keys.py",
    "core/test_labels.py",
    "core/test_models.py",
    "core/test_public_face.py",
    "core/test_reveal.py",
    "core/test_strength.py",
    "core/test_thread_count.py",
    "core/test_triggers.py",
    "core/test_verification.py",
    "argument/test_another_commitment.py",
    "argument/test_channel.py",
    "argument/test_codec.py",
    "argument/test_field.py",
    "argument/test_matrices.py",
    "argument/test_matrix.py",
    "argument/test_merkle.py",
    "argument/test_multilinear.py",
    "argument/test_ntt.py",
    "argument/test_transcript.py",
    "circuit/test_bad_input.py",
    "circuit/test_golden.py",
    "circuit/test_tables.py",
    "experiments/test_graph.py",
    "publication/test_log_negative.py",
    "publication/test_log_vectors.py",
    "publication/timestamps/test_contents.py",
    "relation/test_relation_soundness.py",
    "remote/test_hostile_endpoint.py",
    "training/test_idx.py",
    "training/test_recipe.py",
    "training/test_sampling.py",
)
# Their sessions' fixtures are costly: with several processes each of these folders keeps to one.
TOGETHER = ("experiments", "pverify", "relation")


def pytest_ignore_collect(collection_path, config):
    """Import no file that `-m quick` would leave out: importing all of them takes long."""
    path = collection_path.relative_to(TESTS)
    others = path.match("test_*.py") and path.as_posix() not in QUICK
    return True if config.option.markexpr == "quick" and others else None


def pytest_collection_modifyitems(items):
    """Mark the quick tier."""
    for item in items:
        if item.path.relative_to(TESTS).as_posix() in QUICK:
            item.add_marker(pytest.mark.quick)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give a whole file, or a folder of `TOGETHER`, to one process (`-n`)."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = Path(nodeid.split("::")[0]).relative_to(TESTS.name)
            return path.parts[0] if path.parts[0] in TOGETHER else path.as_posix()

    return Scheduling(config, log)


def pytest_terminal_summary(terminalreporter):
    """Count the tests that were skipped, by what they lacked."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    lacking = {reason: n for reason, n in reasons.items() if reason.startswith("needs ")}
    if lacking:
        terminalreporter.section("not tested on this machine")
        for reason, count in lacking.items():
            terminalreporter.line(f"{count} tests: it {reason}")
