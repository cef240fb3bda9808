"""The JSON Schema of a spec file, for editors."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from tune_tasks.spec.domains import DOMAINS, Domain
from tune_tasks.spec.scheduling import SCHEDULERS
from tune_tasks.spec.schema import TEMPLATES, SpecFile
from tune_tasks.spec.search import ALGORITHMS, options_model

SCHEMA_VERSION = 1
"""Rises if a spec that was valid is refused, or means something else; see docs/stability.md."""


def _first_line(domain: Domain) -> str:
    """What a domain is, in a sentence."""
    return (inspect.getdoc(domain) or "").partition("\n")[0]


_CONFIG_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": (
        "What train() receives. At any depth a value may be {grid_search: [...]}, {eval: '...'}, or"
        " a domain such as {uniform: [0, 1]}."
    ),
    "properties": {
        "script_file_path": {
            "type": "string",
            "description": (
                "The script, from the working directory, else the spec's folder; or"
                " package.module:function."
            ),
        },
        "script_entrypoint": {
            "type": "string",
            "default": "train",
            "description": "The function in the script.",
        },
        "script_min_iter_time_s": {
            "type": "number",
            "description": "Of 2017; has no effect, because every report is kept.",
        },
    },
    "additionalProperties": {"$ref": "#/$defs/Value"},
}
_VALUE_SCHEMA: dict[str, Any] = {
    "properties": {
        "grid_search": {
            "type": "array",
            "minItems": 1,
            "description": "Every value is tried.",
            "items": {"$ref": "#/$defs/Value"},
        },
        "eval": {
            "type": "string",
            "description": "An expression, e.g. 4 * spec.config.width.",
        },
        # Anything else under such a name is a value of the user's
        **{domain.name: {"description": _first_line(domain)} for domain in DOMAINS.values()},
    },
    "dependentSchemas": {"grid_search": {"maxProperties": 1}, "eval": {"maxProperties": 1}},
    "additionalProperties": {"$ref": "#/$defs/Value"},
    "items": {"$ref": "#/$defs/Value"},
}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a spec file."""
    schema = SpecFile.model_json_schema()
    schema["$defs"]["Value"] = _VALUE_SCHEMA
    keys = schema["$defs"]["ExperimentSpec"]["properties"]
    keys["config"] = _CONFIG_SCHEMA
    keys["search"] = {**keys["search"], "anyOf": _search_forms()}
    options = {name: model.model_json_schema() for name, model in SCHEDULERS.items()}
    for each in options.values():
        schema["$defs"] |= each.pop("$defs", {})
    keys["scheduler"] = {**keys["scheduler"], "anyOf": _scheduler_forms(options)}
    schema["patternProperties"] = {
        _template_pattern(): {"description": "A template for anchors, not an experiment."}
    }
    return {
        **schema,
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:tune-tasks:spec:{SCHEMA_VERSION}",
        "title": "tune-tasks spec",
    }


def _search_forms() -> list[dict[str, Any]]:
    """An algorithm's name, or its name with options."""
    options = {
        name: {**options_model(name).model_json_schema(), "title": "Options"} for name in ALGORITHMS
    }
    with_options = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
        "properties": options,
    }
    return [{"enum": list(ALGORITHMS)}, with_options]


def _scheduler_forms(options: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A scheduler's name, its name with options, or a list of these; or nothing."""
    alone = [name for name, each in options.items() if not each.get("required")]
    with_options = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
        "properties": options,
    }
    one: list[dict[str, Any]] = [{"enum": alone}, with_options]
    return [*one, {"type": "array", "minItems": 1, "items": {"anyOf": one}}, {"type": "null"}]


def _template_pattern() -> str:
    return f"^({'|'.join(TEMPLATES)})".replace(".", "\\.")
