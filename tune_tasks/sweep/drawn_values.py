"""What an `eval` draws, and nobody searches: how it is written as a domain. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import reduce
from operator import getitem
from typing import Any, cast

from tune_tasks.convert.draws import domain_of
from tune_tasks.errors import Location
from tune_tasks.model.paths import NodePath, dotted
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.sweep.part import Part


def drawn_values(part: Part, space: SearchSpace) -> Iterator[tuple[Location | None, str, str]]:
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
        return "a domain such as {uniform: [0, 1]}"
    ((name, given),), note = found[0].items(), found[1]
    form = f"{{{name}: {json.dumps(given)}}}"
    return f"{form} ({note})" if note else form
