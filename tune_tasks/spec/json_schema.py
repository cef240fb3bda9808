"""The JSON Schema of a spec file, for editors."""

from __future__ import annotations

from typing import Any

from tune_tasks.spec.schema import TEMPLATES, SpecFile

SCHEMA_VERSION = 1
"""Rises if a spec that was valid is refused, or means something else; see docs/stability.md."""

_CONFIG_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": (
        "What train() receives. At any depth a value may be {grid_search: [...]} or {eval: '...'}."
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
            "description": "An expression, e.g. random.uniform(1e-4, 1e-3).",
        },
    },
    "dependentSchemas": {"grid_search": {"maxProperties": 1}, "eval": {"maxProperties": 1}},
    "additionalProperties": {"$ref": "#/$defs/Value"},
    "items": {"$ref": "#/$defs/Value"},
}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a spec file."""
    schema = SpecFile.model_json_schema()
    schema["$defs"]["Value"] = _VALUE_SCHEMA
    schema["$defs"]["ExperimentSpec"]["properties"]["config"] = _CONFIG_SCHEMA
    schema["patternProperties"] = {
        _template_pattern(): {"description": "A template for anchors, not an experiment."}
    }
    return {
        **schema,
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:tune-tasks:spec:{SCHEMA_VERSION}",
        "title": "tune-tasks spec",
    }


def _template_pattern() -> str:
    return f"^({'|'.join(TEMPLATES)})".replace(".", "\\.")
