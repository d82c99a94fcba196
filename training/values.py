# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings from TOML, checked: a value of the wrong kind or out of range is named, with its file.

What a number may be stands in its annotation, such as `Annotated[int, Range(low=1)]`.
"""

from __future__ import annotations

import math
import types
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

_Section = TypeVar("_Section")


class ConfigError(ValueError):
    """A setting that cannot be used; one sentence that names file, section, key and value."""


@dataclass(frozen=True, slots=True)
class Range:
    """What a number must be, in values and in words."""

    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    """As `low`, but excluded."""

    def admits(self, value: float) -> bool:
        """Whether a number may be used; infinities and NaN never."""
        return math.isfinite(value) and self.low <= value <= self.high and value > self.above

    @property
    def words(self) -> str:
        """The range, to be put after "must be"."""
        if self.above > -math.inf:
            return f"above {self.above:g}"
        if self.high < math.inf:
            return f"from {self.low:g} to {self.high:g}"
        return f"at least {self.low:g}" if self.low > -math.inf else "finite"


Count = Annotated[int, Range(low=1)]
Number = Annotated[int, Range(low=0)]
"""A count that may be none."""
Share = Annotated[float, Range(low=0, high=1)]
Positive = Annotated[float, Range(above=0)]
NotNegative = Annotated[float, Range(low=0)]
Finite = Annotated[float, Range()]


def read_section(kind: type[_Section], table: object, where: str) -> _Section:
    """Return a frozen dataclass of what a TOML table holds, and of its sections.

    Args:
        kind: fields whose type is a dataclass are sections of their own.
        table: as `tomllib` read it.
        where: file and section, for messages.

    Raises:
        ConfigError: a key is unknown or missing, or a value cannot be used.
    """
    if not isinstance(table, dict):
        raise ConfigError(f"{where} must be a section, not {table!r}")
    known = fields(kind)  # type: ignore[arg-type]
    if unknown := sorted(set(table) - {field.name for field in known}):
        raise ConfigError(f"{where} does not know {', '.join(unknown)}")
    hints = get_type_hints(kind, include_extras=True)
    values: dict[str, Any] = {}
    for field in known:
        if field.name in table:
            values[field.name] = _read(hints[field.name], table[field.name], where, field.name)
        elif field.default is MISSING and field.default_factory is MISSING:
            is_section = is_dataclass(hints[field.name])
            missing = f"section [{field.name}]" if is_section else field.name
            raise ConfigError(f"{where}: {missing} is missing")
    return kind(**values)


def _read(hint: Any, value: object, where: str, name: str) -> Any:
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    (kind,) = (each for each in kinds if each is not type(None))
    if is_dataclass(kind):
        return read_section(kind, value, f"{where}: [{name}]")  # type: ignore[arg-type]
    ranges: tuple[Range, ...] = ()
    if get_origin(kind) is Annotated:
        kind, *extras = get_args(kind)
        ranges = tuple(each for each in extras if isinstance(each, Range))
    problem = _problem(kind, value) or next(
        (each.words for each in ranges if not each.admits(float(str(value)))), ""
    )
    if problem:
        raise ConfigError(f"{where}: {name} must be {problem}, not {value!r}")
    if kind is float:
        return float(str(value))
    return tuple(value) if isinstance(value, list) else value


def _problem(kind: Any, value: object) -> str:
    """Say what a value must be instead, or nothing if it may be used."""
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        return "" if value in choices else "one of " + ", ".join(map(str, choices))
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        is_list = isinstance(value, list) and not any(_problem(item, each) for each in value)
        return "" if is_list else f"a list, each {_problem(item, None)}"
    if kind is bool or isinstance(value, bool):
        return "" if kind is bool and isinstance(value, bool) else _NAMES[kind]
    is_right = isinstance(value, (int, float)) if kind is float else isinstance(value, kind)
    return "" if is_right else _NAMES[kind]


_NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
