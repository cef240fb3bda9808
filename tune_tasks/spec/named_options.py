"""Values of a spec that are a name with options, such as `{tpe: {lag: 8}}`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from tune_tasks.errors import did_you_mean
from tune_tasks.model.masking import short
from tune_tasks.model.paths import NodePath, dotted
from tune_tasks.spec.pydantic_words import in_our_words

Options = TypeVar("Options", bound=BaseModel)


class OptionError(ValueError):
    """Something is wrong with a name, or with one of its options.

    Args:
        reason: What is wrong.
        path: Where, within the value.
        is_key: Whether the key there is what is wrong, and not its value.
    """

    def __init__(self, reason: str, path: NodePath = (), *, is_key: bool = False) -> None:
        self._reason = reason
        self._path = path
        self._is_key = is_key
        super().__init__(f"{dotted(path)}: {reason}" if path else reason)

    def within(self, number: int) -> OptionError:
        """Return the same error of an item in a list."""
        return OptionError(self._reason, (number, *self._path), is_key=self._is_key)

    def for_pydantic(self) -> PydanticCustomError:
        """Return the same as a validator of pydantic's raises it; see `spec/problems.py`."""
        context = {"reason": self._reason, "path": self._path, "is_key": self._is_key}
        return PydanticCustomError("wrong", "{reason}", context)


def known_options(name: str, given: object, model: type[BaseModel]) -> Mapping[str, Any]:
    """The options as they are given, each of them known.

    Raises:
        OptionError: If they are no mapping, or one of them is not known.
    """
    if not isinstance(given, Mapping):
        raise OptionError(f"expected a mapping of options, got {short(given)}", (name,))
    for key in given:
        if key not in model.model_fields:
            raise OptionError(_unknown(key, model), (name, key), is_key=True)
    return given


def options_of(name: str, given: Mapping[str, Any], model: type[Options]) -> Options:
    """The options, checked.

    Raises:
        OptionError: If one of them is out of its range, or not of its type.
    """
    try:
        return model.model_validate(given)
    except ValidationError as exc:
        # A misspelt key is missing, too
        error = min(exc.errors(), key=lambda each: each["type"] != "extra_forbidden")
        is_key = error["type"] == "extra_forbidden"
        reason = _reason(error, model)
        raise OptionError(reason, (name, *error["loc"]), is_key=is_key) from None


def _reason(error: ErrorDetails, model: type[BaseModel]) -> str:
    if error["type"] == "missing":
        return "it is to be given"
    if error["type"] == "extra_forbidden":
        return _unknown(error["loc"][-1], _model_at(error["loc"][:-1], model))
    given = error["input"]
    meant = ""
    if error["type"] == "literal_error":
        meant = did_you_mean(str(given), re.findall(r"'(\w+)'", error["ctx"]["expected"]))
    return f"{in_our_words(error['msg'])}, got {short(given, error['loc'])}{meant}"


def _model_at(path: NodePath, model: type[BaseModel]) -> type[BaseModel]:
    """What has the key at a path: the options, or an item in one of their lists."""
    for key in path:
        if isinstance(key, str):
            items = get_args(model.model_fields[key].annotation)
            model = next((each for each in items if issubclass(each, BaseModel)), model)
    return model


def _unknown(key: object, model: type[BaseModel]) -> str:
    return f"unknown option{hint(key, model.model_fields)}"


def hint(name: object, known: Iterable[str]) -> str:
    """The nearest of the known names, and all of them."""
    names = list(known)
    return f"{did_you_mean(str(name), names)} (known: {', '.join(names)})"
