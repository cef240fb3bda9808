"""The command that prints the JSON Schema."""

import json


def test_schema(call_cli):
    code, out, _ = call_cli("schema")
    assert (code, json.loads(out)["title"]) == (0, "tune-tasks spec")
