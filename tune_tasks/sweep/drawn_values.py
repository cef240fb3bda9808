"""What an `eval` draws, and nobody searches: how it is written as a domain. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import reduce
from operator import getitem
from typing import Any, cast

from tune_tasks.model.masking import is_secret
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
    # Few specs draw, and its imports take a tenth of those of a plan.
    from tune_tasks.convert.draws import domain_of

    node = reduce(getitem, cast("tuple[str, ...]", path), cast("Any", part.experiment.config))
    found = domain_of(node["eval"])
    if found is None:
        return _ANY
    ((name, given),), note = found[0].items(), found[1]
    form = f"{{{name}: {json.dumps(given, ensure_ascii=False)}}}"
    if is_secret(dotted(path), form) or len(form) > _MOST_CHARACTERS:
        return _ANY
    return f"{form} ({note})" if note else form
