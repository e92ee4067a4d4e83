"""The command group."""

import click

from wmproof._base.version import __version__
from wmproof.cli.failures import run
from wmproof.cli.lazy import Commands, LazyGroup

# Help must not import anything.
_COMMANDS: Commands = {
    "keygen": ("keygen", "Make a key: secret triggers and public commitments."),
    "check-key": ("check_key", "Check a public key, without any secret."),
    "mark": ("mark", "Train a model, or train it further, so that it carries a key."),
    "verify": ("verify", "Verify that a model carries a key."),
    "examine": ("examine", "Say what can be done about a suspect model."),
    "reveal": ("reveal", "Open the next batch of a bounded key, once."),
    "inspect": ("inspect", "Say what a file is and what is in it."),
    "compile": ("compile", "Turn an ONNX model into its integer circuit."),
    "prove": ("prove", "Prove in zero knowledge that a model carries a key."),
    "pverify": ("pverify", "Verify such a proof, with public files only."),
    "log": ("log", "Publish keys in an append-only log, and verify it."),
    "timestamp": ("timestamp", "Have a file timestamped by others, and verify timestamps."),
    "bundle": ("bundle", "Pack evidence about a key and a model."),
    "verify-bundle": (
        "verify_bundle",
        "Verify such evidence offline, and say what it does not show.",
    ),
    "dispute": ("dispute", "Compare the evidence of two parties about one model."),
    "announce": ("announce", "Name your key in a model card or a signed manifest."),
    "doctor": ("doctor", "Say whether this installation works."),
    "completion": ("completion", "Have the shell complete commands and options."),
    "experiment": ("experiment", "Run the paper's experiments and the attacks known since."),
    "demo": ("demo", "Run the whole story once, on scikit-learn's digits."),
}


@click.group(
    cls=LazyGroup,
    lazy=_COMMANDS,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 80,
        "show_default": True,
    },
    epilog="Exit codes: 0 the claim holds, 1 it does not, 2 usage or bad input, 130 interrupted.",
)
@click.version_option(__version__, "-V", "--version", message="wmproof %(version)s")
def cli() -> None:
    """Prove in public that a neural network is yours."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; the one place where errors become messages."""
    run(cli, arguments)
