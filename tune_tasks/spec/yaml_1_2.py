"""YAML 1.2's core schema for PyYAML, which knows that of 1.1; and what the two read differently.

In 1.2, `1e-4` is a number, and `on`, `12:30` and `1_000` are texts.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import yaml

from tune_tasks.errors import Location

TAG = "tag:yaml.org,2002:"
"""The beginning of the tags that are YAML's own."""

_INT = r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"
_FLOAT = (
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_CORE_SCHEMA = (
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", _INT, [*"-+0123456789"]),
    ("float", _FLOAT, [*"-+0123456789."]),
    ("merge", r"<<", ["<"]),
)
"""A kind of plain scalar, its form, and the characters that it may begin with."""
PATTERNS = {kind: re.compile(f"^(?:{form})$") for kind, form, _ in _CORE_SCHEMA}
"""The form of each kind of plain scalar."""


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Parses YAML, with libyaml if that is there, and knows plain scalars by YAML 1.2."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own form


class _Dumper(yaml.SafeDumper):
    """Quotes a text that YAML 1.1 or 1.2 would not read as one without quotes: `1e-4`, `on`."""


for _kind, _, _first in _CORE_SCHEMA:
    Loader.add_implicit_resolver(TAG + _kind, PATTERNS[_kind], _first)
    _Dumper.add_implicit_resolver(TAG + _kind, PATTERNS[_kind], _first)


def dump_yaml(data: Any) -> str:
    """Plain data as YAML, which reads back as the same; anything else in it as its `repr`."""
    plain = json.loads(json.dumps(data, default=repr))
    return str(yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True))


class _LineDumper(_Dumper):
    """Writes everything into one line."""

    def ignore_aliases(self, _data: Any) -> bool:
        """See PyYAML: what is there twice is written twice."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar(f"{TAG}str", text, style=style)


_LineDumper.add_representer(str, _represent_text)


def one_line_of_yaml(data: Any) -> str:
    """Plain data as YAML in one line, which reads back as the same."""
    text = yaml.dump(
        data,
        Dumper=_LineDumper,
        default_flow_style=True,
        sort_keys=False,
        allow_unicode=True,
        width=math.inf,
    )
    return str(text).removesuffix("\n").removesuffix("\n...")


def location(name: str, mark: Any) -> Location:
    """The place of one of PyYAML's marks in a file."""
    return Location(name, mark.line + 1, mark.column + 1)


_OCTAL_OF_1_1 = re.compile(r"[-+]?0[0-7]+")
_LONGEST = 100
_OTHERWISE = (
    (r"(?i:on|yes)", "is a text in YAML 1.2: write true"),
    (r"(?i:off|no)", "is a text in YAML 1.2: write false"),
    (
        r"[-+]?[0-9][0-9_]*_[0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?",
        "is a text in YAML 1.2: write the number without _",
    ),
    (r"[-+]?0b[01_]+", "is a text in YAML 1.2: write the number in decimal"),
    (
        r"[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?",
        "is a text in YAML 1.2: write seconds as one number",
    ),
    (r"None", "is a text: write null"),
    (r"[-+]?(?:inf|Inf|infinity|Infinity)", "is a text: write .inf"),
    (r"nan|NaN|NAN", "is a text: write .nan"),
)
_TEXTS = [(re.compile(form), meant) for form, meant in _OTHERWISE]
"""Plain texts that YAML 1.1 or Python would read as something else, and what to say of each."""


def meant_otherwise(text: str) -> str | None:
    """Return what to say of a plain text that YAML 1.1 or Python would read as something else."""
    if len(text) >= _LONGEST:
        return None
    for pattern, meant in _TEXTS:
        if pattern.fullmatch(text):
            return meant
    return None


def is_octal_of_1_1(text: str) -> bool:
    """Return whether YAML 1.1 reads a whole number as an octal one."""
    return _OCTAL_OF_1_1.fullmatch(text) is not None
