"""What an `eval` draws, and nobody searches: how it is written as a domain. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import reduce
from operator import getitem
from typing import Any, cast

from tune_tasks.convert.draws import domain_of
from tune_tasks.model.masking import masked_by_path
from tune_tasks.model.paths import NodePath, dotted
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.sweep.part import Doubt, Part

_ANY = "a domain such as {uniform: [0, 1]}"
_MOST_CHARACTERS = 200


def drawn_values(part: Part, space: SearchSpace) -> Iterator[Doubt]:
    """Yield what a model does not see: values that an `eval` draws, each with its place."""
    if not part.experiment.searching().learns:
        return
    for path in space.evals_that_draw():
        text = f"it is drawn, not searched; {as_domain(part, path)} is searched"
        yield part.in_config(path), f".config.{dotted(path)}", text


def as_domain(part: Part, path: NodePath) -> str:
    """How a value that an `eval` draws is written as a domain, with what is not the same then."""
    node = reduce(getitem, cast("tuple[str, ...]", path), cast("Any", part.experiment.config))
    found = domain_of(node["eval"])
    if found is None:
        return _ANY
    ((name, given),), note = found[0].items(), found[1]
    form = f"{{{name}: {json.dumps(given, ensure_ascii=False)}}}"
    is_secret = masked_by_path({dotted(path): form}) != {dotted(path): form}
    if is_secret or len(form) > _MOST_CHARACTERS:
        return _ANY
    return f"{form} ({note})" if note else form
