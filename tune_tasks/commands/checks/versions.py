"""Whether Python and the libraries are of versions that we run with."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tune_tasks import __version__
from tune_tasks.commands.checks.finding import Finding, ok, problem

_PACKAGE = "tune-tasks"
_NAMED = ("ray", "prefect", "prefect-ray", "mlflow")
"""Libraries that have a line of their own; of others only what is wrong is said."""


def version_findings() -> Iterator[Finding]:
    """Look at what is installed here."""
    about = metadata.metadata(_PACKAGE)
    yield python_finding(platform.python_version(), about["Requires-Python"] or "")
    yield ok(_PACKAGE, __version__)
    yield from library_findings(metadata.requires(_PACKAGE) or [], _installed)


def python_finding(version: str, wanted: str) -> Finding:
    """Whether Python is of a version that we run with.

    Args:
        version: Of this Python.
        wanted: The specifier of our package.
    """
    if SpecifierSet(wanted).contains(version, prereleases=True):
        return ok("Python", version)
    return problem("Python", version, f"tune-tasks runs on Python {wanted}")


def library_findings(
    requirements: Iterable[str], installed: Callable[[str], str | None]
) -> Iterator[Finding]:
    """Whether the libraries are of versions that we run with.

    Args:
        requirements: Of our package, as its metadata has them; those of its extras are passed over.
        installed: The version of a library; None if it is not installed.
    """
    for requirement in map(Requirement, requirements):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        finding = _library_finding(requirement, installed(requirement.name))
        if finding.advice or requirement.name in _NAMED:
            yield finding


def _library_finding(requirement: Requirement, version: str | None) -> Finding:
    wanted = f"{requirement.name}{requirement.specifier}"
    advice = f"pip install '{wanted}'"
    if version is None:
        return problem(requirement.name, "not installed", advice)
    if requirement.specifier.contains(version, prereleases=True):
        return ok(requirement.name, version)
    return problem(requirement.name, f"{version}, and tune-tasks was tested with {wanted}", advice)


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
