"""What the tests of this folder share: a file converted, and the spec that it is then."""

from pathlib import Path

from tune_tasks.convert.conversion import converted
from tune_tasks.spec.loading import spec_from_data
from tune_tasks.spec.reading import parse_source
from tune_tasks.spec.search_space import SearchSpace


def convert(text, name="sweep.yaml"):
    """The text that a file is converted to."""
    return converted(Path(name), text)


def experiment(text, name="sweep.yaml"):
    """The one experiment that a file is converted to, as data."""
    (made,) = parse_source(convert(text, name), "made").data.values()
    return made


def config(text, name="sweep.yaml"):
    """Its config, without the script; our loader has to take the whole."""
    made = experiment(text, name)
    spec = spec_from_data({"e": made})
    SearchSpace(spec.experiments["e"].config)
    return {key: value for key, value in made["config"].items() if key != "script_file_path"}


def comments(text, name="sweep.yaml"):
    """The comments of the converted file, each in one line."""
    found = []
    for line in map(str.strip, convert(text, name).splitlines()):
        if line.startswith("#   "):
            found[-1] += " " + line.removeprefix("#").strip()
        elif line.startswith("#"):
            found.append(line.removeprefix("#").strip())
    return found
