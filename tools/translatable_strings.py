# SPDX-License-Identifier: GPL-3.0-or-later
"""Every message of the interface, read from the sources without running them.

    python -m maquette.tools.translatable_strings [LANGUAGE]

Without a language it prints every message with the place it first stands at; with one, a JSON
object of the messages that translations/LANGUAGE.json lacks, ready to be filled in.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("operators", "panels")

CLASS_FIELDS = {"bl_label", "bl_description"}
KEYWORDS = {"text", "heading", "name", "description"}
"""Keywords that take messages: of layout calls and of properties."""
POSITIONAL = {
    "iface_": 0,
    "n_": 0,
    "pgettext": 0,
    "pgettext_iface": 0,
    "pgettext_n": 0,
    "pgettext_rpt": 0,
    "pgettext_tip": 0,
    "rpt_": 0,
    "tip_": 0,
    "poll_message_set": 0,
    "report": 1,
}
"""Calls that take a message at a position."""


def messages() -> dict[str, str]:
    """Return every message and where it first stands, as `folder/file.py:line`."""
    found: dict[str, str] = {}
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for text, line in _messages_of(tree):
            if any(character.isalpha() for character in text):
                found.setdefault(text, f"{path.relative_to(ROOT).as_posix()}:{line}")
    return found


def _messages_of(tree: ast.Module) -> Iterator[tuple[str, int]]:
    constants = dict(_assigned(tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from _of_class(node)
        elif isinstance(node, ast.Call):
            yield from _of_call(node, constants)


def _assigned(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for statement in body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    yield target.id, statement.value


def _of_class(node: ast.ClassDef) -> Iterator[tuple[str, int]]:
    fields = dict(_assigned(node.body))
    for name in CLASS_FIELDS & fields.keys():
        yield from _texts(fields[name])
    # Blender shows the docstring of a class as its tooltip; only operators and groups have one.
    is_shown = "bl_idname" in fields and "bl_description" not in fields
    docstring = ast.get_docstring(node)
    if is_shown and docstring and "_OT_" in node.name:
        yield docstring, node.lineno


def _of_call(node: ast.Call, constants: dict[str, ast.expr]) -> Iterator[tuple[str, int]]:
    name = _name(node.func)
    position = POSITIONAL.get(name)
    if position is not None and len(node.args) > position:
        yield from _texts(node.args[position])
    is_property = name.endswith("Property")
    for keyword in node.keywords:
        if keyword.arg == "items":
            named = isinstance(keyword.value, ast.Name)
            yield from _of_items(constants.get(keyword.value.id) if named else keyword.value)
        elif keyword.arg in ("name", "description"):
            # Elsewhere a name is an identifier, such as that of a mesh.
            if is_property:
                yield from _texts(keyword.value)
        elif keyword.arg in KEYWORDS:
            yield from _texts(keyword.value)


def _of_items(node: ast.expr | None) -> Iterator[tuple[str, int]]:
    if isinstance(node, ast.List | ast.Tuple):
        for item in node.elts:
            if isinstance(item, ast.Tuple):
                for element in item.elts[1:3]:
                    yield from _texts(element)


def _texts(node: ast.expr) -> Iterator[tuple[str, int]]:
    """Yield the literals of an expression that may be one message or a choice of several."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value, node.lineno
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _texts(value)


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def main() -> None:
    """Print messages, or what a language lacks."""
    found = messages()
    if len(sys.argv) > 1:
        path = ROOT / "translations" / f"{sys.argv[1]}.json"
        known = json.loads(path.read_text(encoding="utf-8"))
        lacking = {message: "" for message in found if message not in known}
        sys.stdout.write(json.dumps(lacking, ensure_ascii=False, indent=2) + "\n")
        return
    for message, place in found.items():
        sys.stdout.write(f"{place}\t{message}\n")


if __name__ == "__main__":
    main()
