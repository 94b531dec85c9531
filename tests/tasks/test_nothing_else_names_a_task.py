"""Only the file of a task names it; no other part of the package does."""

import ast
import re

import pytest

from magn_cli.tasks import TASKS
from tests.support.paths import ROOT

PACKAGE = ROOT / "magn_cli"
NAMES = re.compile(rf"(?<![\w./-])({'|'.join(TASKS)})(?![\w./])")
SCALES = {task.scale.name for task in TASKS.values() if task.scale is not None}

ALLOWED = {
    # A hint for people whose file is the mosaic of a sensor; images is below tasks and cannot ask them.
    ("images/raw/libraw.py", "make a picture of it first, with magn restore and --task demosaic"),
}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith("tasks/"):
            yield pytest.param(name, ast.parse(path.read_text()), id=name)


def docstrings(tree):
    """Docstrings, which may name tasks in examples, as they do not affect what the code does."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


@pytest.mark.parametrize(("name", "tree"), list(modules()))
def test_no_module_knows_a_task(name, tree):
    told = docstrings(tree)
    for node in ast.walk(tree):
        where = f"{name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            if (name, node.value) in ALLOWED:
                continue
            assert not NAMES.search(node.value), f"{where} names a task: {node.value!r}"
        elif isinstance(node, ast.ImportFrom) and node.module:
            last = node.module.removeprefix("magn_cli.tasks.")
            assert last not in TASKS, f"{where} imports a task"
        elif isinstance(node, ast.Compare):
            values = {side.value for side in [node.left, *node.comparators] if isinstance(side, ast.Constant)}
            attributes = {side.attr for side in [node.left, *node.comparators] if isinstance(side, ast.Attribute)}
            assert "alignment" not in attributes, f"{where} knows a task by its grid"
            if "name" in attributes:
                assert not values & SCALES, f"{where} knows a task by its level"


def test_what_is_allowed_is_there():
    for name, text in ALLOWED:
        tree = ast.parse((PACKAGE / name).read_text())
        assert any(isinstance(n, ast.Constant) and n.value == text for n in ast.walk(tree)), (name, text)
