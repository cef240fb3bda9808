"""Values of a spec that are a name with options, such as `{tpe: {lag: 8}}`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tune_tasks.errors import did_you_mean

Options = TypeVar("Options", bound=BaseModel)


def known_options(name: str, given: object, model: type[BaseModel]) -> Mapping[str, Any]:
    """The options as they are given, each of them known.

    Raises:
        ValueError: If they are no mapping, or one of them is not known.
    """
    if not isinstance(given, Mapping):
        raise ValueError(  # noqa: TRY004 - of a value of the spec, as all others
            f"{name}: expected a mapping of options, got {given!r}"
        )
    for key in given:
        if key not in model.model_fields:
            raise ValueError(f"{name}.{key}: unknown option{hint(key, model.model_fields)}")
    return given


def options_of(name: str, given: Mapping[str, Any], model: type[Options]) -> Options:
    """The options, checked.

    Raises:
        ValueError: If one of them is out of its range, or not of its type.
    """
    try:
        return model.model_validate(given)
    except ValidationError as exc:
        error = exc.errors()[0]
        wanted = error["msg"].replace("Input should be", "expected")
        where = ".".join(map(str, (name, *error["loc"])))
        if error["type"] == "missing":
            raise ValueError(f"{where}: it is to be given") from None
        raise ValueError(f"{where}: {wanted}, got {error['input']!r}") from None


def hint(name: object, known: Iterable[str]) -> str:
    """The nearest of the known names, and all of them."""
    names = list(known)
    return f"{did_you_mean(str(name), names)} (known: {', '.join(names)})"
