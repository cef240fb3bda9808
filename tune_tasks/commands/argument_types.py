"""The types of values that commands take as arguments."""

from __future__ import annotations

import argparse
import json
from typing import Any


class Once(argparse.Action):
    """Stores a value, and refuses a second one, where argparse would keep the last one unasked."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, *_: Any
    ) -> None:
        """See `argparse.Action`."""
        if getattr(namespace, self.dest) is not None:
            problem = "given twice; a file may hold any number of experiments"
            raise argparse.ArgumentError(self, problem)
        setattr(namespace, self.dest, values)


def json_object(text: str) -> dict[str, Any]:
    """Return the JSON object that a text is.

    Raises:
        argparse.ArgumentTypeError: If it is not one.
    """
    value = _parsed(text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(
            f"expected a JSON object such as '{{\"key\": 1}}', got {text!r}"
        )
    return value


def positive(text: str) -> int:
    """Return the whole number from 1 on that a text is.

    Raises:
        argparse.ArgumentTypeError: If it is not one.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number >= 1, got {text!r}")
    return int(text)


def not_negative(text: str) -> int:
    """Return the whole number from 0 on that a text is.

    Raises:
        argparse.ArgumentTypeError: If it is not one.
    """
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number >= 0, got {text!r}")
    return int(text)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as exc:
        raise argparse.ArgumentTypeError(
            f"not valid JSON: {exc.msg} at character {exc.pos + 1} of {text!r}"
        ) from None
    except RecursionError:
        raise argparse.ArgumentTypeError("not usable: nested too deeply") from None
    except ValueError:
        # Python reads at most 4,300 digits; JSON has no such limit
        raise argparse.ArgumentTypeError("not usable: a number has too many digits") from None
