"""What commands print: JSON of any values, and output that nobody reads any more."""

import io
import json
import math
import os
import subprocess
import sys

import pytest

from tune_tasks.commands.output import print_json, print_json_list, print_json_streamed


def test_json_has_null_for_what_it_cannot_say():
    out = io.StringIO()
    print_json({"loss": [math.nan, math.inf, 1.5], "nested": ({"x": -math.inf},)}, out)
    assert json.loads(out.getvalue()) == {"loss": [None, None, 1.5], "nested": [{"x": None}]}


@pytest.mark.parametrize("items", [[], [1], [{"a": [1, 2]}, "text", None]])
def test_a_list_that_is_printed_item_by_item_is_like_one_that_is_printed_whole(items):
    piecewise = io.StringIO()
    whole = io.StringIO()
    print_json_list(iter(items), piecewise)
    print_json(items, whole)
    assert piecewise.getvalue() == whole.getvalue()


@pytest.mark.parametrize("items", [[], [1], [{"a": [1, math.nan]}, "text\n", None]])
def test_a_document_with_iterators_is_like_one_that_has_lists(items):
    piecewise = io.StringIO()
    whole = io.StringIO()
    print_json_streamed({"x": 1, "e": {"é": {}, "items": iter(items)}, "l": [[]]}, piecewise)
    print_json({"x": 1, "e": {"é": {}, "items": items}, "l": [[]]}, whole)
    assert piecewise.getvalue() == whole.getvalue()


@pytest.mark.processes
def test_what_nobody_reads_any_more_fails_nothing():
    code = (
        "import sys; from tune_tasks.commands.output import drop_unread;"
        " from tune_tasks.sweep.display import put;"
        " put('x', sys.stdout); drop_unread(sys.stdout); sys.exit(3)"
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (3, "")
