"""YAML 1.2 and JSON to plain data with places, and what hostile files come to."""

import json
import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_tasks.errors import Location, SpecError
from tune_tasks.spec import construction
from tune_tasks.spec.reading import is_json_file, parse_source, read_text

TAG = "tag:yaml.org,2002:"


def data(text, **kwargs):
    return parse_source(text, "f.yaml", **kwargs).data


def refusal(text, **kwargs):
    with pytest.raises(SpecError) as caught:
        data(text, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[
            ("1e-4", 1e-4),
            ("1e3", 1000.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("-1.5E+2", -150.0),
            (".inf", math.inf),
            ("-.Inf", -math.inf),
        ],
        *[
            ("010", 10),
            ("0o17", 15),
            ("0x1F", 31),
            ("+5", 5),
            ("-0", 0),
            ("1_000", "1_000"),
            ("0b1", "0b1"),
            ("12:30", "12:30"),
        ],
        *[
            ("on", "on"),
            ("yes", "yes"),
            ("n", "n"),
            ("true", True),
            ("FALSE", False),
            ("2020-01-01", "2020-01-01"),
        ],
        *[
            ("~", None),
            ("null", None),
            ("", None),
            ("'1'", "1"),
            ("!!str 12", "12"),
            ("!!float 3", 3.0),
            ("é😀", "é😀"),
        ],
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    (read,) = data(f"[{text}]" if text else "[~]")
    assert read == value
    assert type(read) is type(value)


def test_nan():
    assert math.isnan(data("a: .NaN")["a"])


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text('abc \\"/😀é<', max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(PLAIN, st.sampled_from([None, 1, "\t"]))
def test_json_reads_as_json(value, indent):
    assert data(json.dumps(value, indent=indent), is_json=True) == value


def test_places():
    source = parse_source("e:\n  stop: {a: 1}\n  list:\n    - x\n    - k: v\n", "f.yaml")
    assert source.at(("e", "stop", "a")) == Location("f.yaml", 2, 13)
    assert source.at(("e", "stop", "a"), key=True) == Location("f.yaml", 2, 10)
    assert source.at(("e", "list", 1, "k")) == Location("f.yaml", 5, 10)
    assert source.at(("e", "nowhere", "x")) == source.at(("e",))


def test_anchors_and_merges():
    assert data("a: &a {x: 1, y: [2]}\nb: *a\nc: {<<: *a, x: 3}\nd: {<<: [{z: 4}, *a]}") == {
        "a": {"x": 1, "y": [2]},
        "b": {"x": 1, "y": [2]},
        "c": {"x": 3, "y": [2]},
        "d": {"x": 1, "y": [2], "z": 4},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "f.yaml:3:1: 'a' is given twice (first at line 1)"),
        ("1: 2", 'f.yaml:1:1: a key must be a string; write "1" in quotes'),
        (
            "a: {choice: 8, 16}",
            'f.yaml:1:16: a key must be a string; write "16" in quotes, or a list in brackets,'
            " [1, 2]",
        ),
        ("[1]: 2", "f.yaml:1:1: a key must be a string"),
        ("a: *x", "f.yaml:1:4: not valid YAML: found undefined alias"),
        ("a: [1", "f.yaml:2:1: not valid YAML: while parsing a flow sequence, did not find expected ',' or ']'"),
        ("a: @", "f.yaml:1:4: not valid YAML: while scanning for the next token, found character that cannot start any token"),
        ("é: x\0", "f.yaml:1:5: not valid YAML: control characters are not allowed"),
        ("a: 1\n---\nb: 2", "f.yaml:2:1: not valid YAML: expected a single document in the stream, but found another document"),
        ("a: !!python/name:x [ls]", f"f.yaml:1:4: the tag '{TAG}python/name:x' is not supported; a spec is plain data"),
        ("a: !x:int 5", "f.yaml:1:4: the tag '!x:int' is not supported; a spec is plain data"),
        ("a: !!set {x}", f"f.yaml:1:4: the tag '{TAG}set' is not supported; a spec is plain data"),
        ("a: !!bool maybe", "f.yaml:1:4: expected true or false, got 'maybe'"),
        ("a: !!int 0b1", "f.yaml:1:4: expected a whole number, got '0b1'"),
        ("<<: 5", "f.yaml:1:5: '<<' merges mappings only"),
        ("a: !!merge x", f"f.yaml:1:4: the tag '{TAG}merge' is not supported; a spec is plain data"),
        (f"a: {'9' * 5000}", "f.yaml:1:4: the number 99999999999999999999… has too many digits"),
        ("[" * 100_000, "f.yaml:1:65: nested more than 64 levels deep"),
        ("- " * 100_000, "f.yaml:1:129: nested more than 64 levels deep"),
        ("&a [*a]", "f.yaml:1:1: too large: more than 200,000 values or 64 levels, aliases included"),
        ("&a\n<<: *a", "f.yaml:1:1: too large: more than 200,000 values or 64 levels, aliases included"),
    ],
)  # fmt: skip
def test_refused_yaml(text, message):
    assert refusal(text) == message


@pytest.mark.parametrize(
    "line",
    [
        "{0}: &{0} [*{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}]",
        "{0}: &{0} {{<<: [*{1}, *{1}, *{1}, *{1}, *{1}, *{1}]}}",
    ],
)
def test_alias_bombs_end(line, monkeypatch):
    monkeypatch.setattr(construction, "_MAX_NODES", 2_000)
    bomb = "\n".join(["a: &a {x: 1}", *(line.format(chr(98 + i), chr(97 + i)) for i in range(12))])
    assert refusal(bomb).endswith(
        "too large: more than 2,000 values or 64 levels, aliases included"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.yaml:1:1: not valid JSON: Expecting value"),
        (
            '{"a": 1,\n5}',
            "f.yaml:2:1: not valid JSON: Expecting property name enclosed in double quotes",
        ),
        ("a: 1", "f.yaml:1:1: not valid JSON: Expecting value"),
        ('{"a": 1, "a": 2}', "f.yaml:1:10: 'a' is given twice (first at line 1)"),
        ('{"a": NaN}', "f.yaml:1:1: not valid JSON: NaN is not a JSON number"),
        (
            f'{{"b": 1{"0" * 4300}}}',
            "f.yaml:1:7: the number 10000000000000000000… has too many digits",
        ),
        (
            f'{{"a": {"9" * 5000}}}',
            "f.yaml:1:7: the number 99999999999999999999… has too many digits",
        ),
        ("[" * 100_000, "f.yaml:1:65: nested more than 64 levels deep"),
    ],
)
def test_refused_json(text, message):
    assert refusal(text, is_json=True) == message


def test_files(tmp_path):
    def read(name, content):
        path = tmp_path / name
        path.write_bytes(content)
        try:
            return parse_source(read_text(path), str(path), is_json=is_json_file(path)).data
        except SpecError as exc:
            return str(exc).replace(f"{tmp_path}{os.sep}", "")

    assert read("a.yaml", b"\xef\xbb\xbfa: 1\r\nb: on\r\n") == {"a": 1, "b": "on"}
    assert read("a.json", b'\t{"a":1,"b":[1e-4]}') == {"a": 1, "b": [1e-4]}
    assert read("b.JSON", b"a: 1") == "b.JSON:1:1: not valid JSON: Expecting value"
    assert read("empty.yaml", b"") is None
    assert (
        read("binary.yaml", b"\x80\x04\x95")
        == "cannot read the spec file 'binary.yaml': not UTF-8 text"
    )
    assert read("large.yaml", b"#" * 20_000_001).endswith(
        "'large.yaml': more than 20,000,000 characters"
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.yaml", "No such file or directory"),
        (".", "Is a directory"),
        ("x" * 300, "File name too long"),
        ("a\0b", "not UTF-8 text"),
    ],
)
def test_unreadable_files(tmp_path, name, reason):
    with pytest.raises(SpecError, match=f"^cannot read the spec file '.*': {reason}$"):
        read_text(tmp_path / name)


def test_a_hexadecimal_number_that_no_message_could_show():
    assert (
        refusal(f"a: 0x{'f' * 4000}")
        == "f.yaml:1:4: the number 0xffffffffffffffffff… has too many digits"
    )
    assert parse_source(f"a: 0x{'f' * 3000}", "f").data["a"] > 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *[
            (word, f"'{word}' is a text in YAML 1.2: write true, or put it in quotes")
            for word in ("on", "Yes")
        ],
        *[
            (word, f"'{word}' is a text in YAML 1.2: write false, or put it in quotes")
            for word in ("off", "no", "NO")
        ],
        (
            "1_000_000",
            "'1_000_000' is a text in YAML 1.2: write the number without _, or put it in quotes",
        ),
        (
            "0b101",
            "'0b101' is a text in YAML 1.2: write the number in decimal, or put it in quotes",
        ),
        (
            "12:30:00",
            "'12:30:00' is a text in YAML 1.2: write seconds as one number, or put it in quotes",
        ),
        ("None", "'None' is a text: write null, or put it in quotes"),
        ("-inf", "'-inf' is a text: write .inf, or put it in quotes"),
        ("nan", "'nan' is a text: write .nan, or put it in quotes"),
        ("017", "017 is decimal in YAML 1.2; an octal number is written 0o17"),
        *[
            (text, None)
            for text in (
                "'on'",
                '"1_000"',
                "|\n  on",
                "0o17",
                "08",
                "~",
                "1e-4",
                "true",
                "a_1",
                "2020-01-01",
                "x:1",
                "none",
            )
        ],
    ],
)
def test_what_another_reader_would_take_otherwise_is_warned_of(text, message):
    source = parse_source(f"a: &x {text}\nb: *x\n", "f.yaml")
    assert [f"{place}: {said}" for place, said in source.warnings.items()] == (
        [f"f.yaml:1:4: {message}"] if message else []
    )
    assert parse_source('{"a": "on"}', "f.json", is_json=True).warnings == {}


def test_a_key_is_a_text_and_nothing_is_warned_of():
    source = parse_source("{on: 1, no: {None: 2}, 12:30: 3, nan: yes}", "f.yaml")
    assert list(source.data) == ["on", "no", "12:30", "nan"]
    assert [str(place) for place in source.warnings] == ["f.yaml:1:39"]
