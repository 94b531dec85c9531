"""Help pages: in panels, with the short options people try first, and without torch."""

import json
import os
import subprocess
import sys

import pytest
import typer

from magn_cli.cli import options
from magn_cli.cli.app import app
from tests.support.commands import magn, refused
from tests.support.paths import ROOT

PAGES = [
    [], ["restore"], ["inspect"], ["degrade"], ["eval"], ["compare"], ["graph"], ["train"], ["export"],
    ["weights"],
    *(["weights", name] for name in ("list", "pull", "verify", "path", "push")),
]  # fmt: skip
SHORT = {
    "--out": "-o", "--task": "-t", "--recursive": "-r", "--level": "-l", "--quiet": "-q", "--verbose": "-v",
}  # fmt: skip
LOADED = """
import json, sys
from typer.testing import CliRunner
from magn_cli.cli.app import app
for words in json.loads(sys.argv[1]):
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0 and "Usage" in done.output, words
sys.stdout.write(" ".join(m for m in ("torch", "cv2", "matplotlib", "huggingface_hub") if m in sys.modules))
"""


def commands():
    """Every command by its words, with its parameters."""
    found = {}
    todo = [((), typer.main.get_command(app))]
    while todo:
        words, command = todo.pop()
        for name, child in getattr(command, "commands", {}).items():
            todo.append(((*words, name), child))
        if words and not hasattr(command, "commands"):
            found[words] = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    return found


def test_no_help_page_imports_torch_or_other_slow_packages():
    done = subprocess.run(
        [sys.executable, "-c", LOADED, json.dumps(PAGES)],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0 and done.stdout == "", done.stdout + done.stderr[-2000:]


def test_every_option_stands_in_a_panel_and_has_its_short_form():
    found = commands()
    assert {("restore",), ("degrade",), ("eval",), ("graph",), ("train",), ("weights", "pull")} <= found.keys()
    for words, parameters in found.items():
        for option in parameters:
            name, *others = sorted(option.opts, key=len, reverse=True)
            assert option.help, (words, name)
            assert option.rich_help_panel, (words, name)
            assert others == ([SHORT[name]] if name in SHORT else []), (words, name)


def test_the_panels_are_those_of_the_conventions():
    panels = {p.rich_help_panel for parameters in commands().values() for p in parameters}
    assert {options.FILES, options.WORK, options.SPEED, options.REPORTS} <= panels
    assert options.FILES == "Input and output" and options.WORK == "What to do"
    assert options.SPEED == "Speed and memory" and options.REPORTS == "Reports and logging"


def test_shared_options_have_one_text():
    shared = {
        "weights", "ensemble", "overwrite", "device", "threads", "tile", "json", "log_json", "html_limit", "quiet",
        "max_pixels",
    }  # fmt: skip
    texts = {}
    for parameters in commands().values():
        for option in parameters:
            if option.name in shared:
                texts.setdefault(option.name, set()).add(option.help)
    assert texts.keys() == shared and all(len(found) == 1 for found in texts.values()), texts


def test_verbose_promises_what_the_command_does():
    told = {words: o.help for words, parameters in commands().items() for o in parameters if o.name == "verbose"}
    assert all(text.startswith("Verbose output: ") for text in told.values())
    networks = {words for words, text in told.items() if "tiles" in text}
    assert networks.isdisjoint({("degrade",), ("inspect",), ("compare",), *(w for w in told if w[0] == "weights")})


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["restore"], ["missing argument", "magn restore --help"]),
        (["restore", "a.png", "--bogus"], ["--bogus", "magn restore --help"]),
        (["eval", ".", "--seed", "x"], ["--seed", "magn eval --help"]),
        (["weights", "pull", "--bogus"], ["--bogus", "magn weights pull --help"]),
        (["bogus"], ["bogus", "magn --help"]),
        (["restroe"], ["no such command 'restroe': did you mean 'restore'? See magn --help."]),
    ],
)
def test_a_wrong_command_line_is_one_sentence(words, parts):
    refused(magn(*words), 2, *parts)
