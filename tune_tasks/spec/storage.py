"""The address of a storage, where trials' files go from every machine: whether it can be one."""

from __future__ import annotations

from tune_tasks.errors import did_you_mean
from tune_tasks.model.masking import is_mask, masked
from tune_tasks.model.trial import safe_name

_EXPECTED = "expected an address such as s3://bucket/folder or file:///shared/folder"
_ON_DISK = ("file", "local")


def problem_of_storage(address: str) -> str | None:
    """Return what is wrong with an address; None if fsspec knows what to do with it.

    Nothing is asked of the storage itself.

    Args:
        address: As the user gives it.
    """
    protocol, separator, path = address.partition("://")
    if not separator or "::" in address:
        hint = f"; did you mean 'file://{address}'?" if address.startswith("/") else ""
        return f"{_EXPECTED}, got {masked(address)!r}{hint}"
    if is_mask(address):
        return f"{address!r} has a mask in place of a password, which was not stored: give it again"
    if protocol in _ON_DISK and not path.startswith("/"):
        return (
            f"{_EXPECTED}, got {masked(address)!r}, which other machines would look for elsewhere"
        )
    return _problem_of_protocol(protocol)


def address_of_trials(storage: str, experiment: str, sweep: str) -> str:
    """Return the address that stands for the folder of a sweep's trials.

    Args:
        storage: The address of the storage.
        experiment: The experiment's name.
        sweep: The sweep's id.
    """
    return f"{storage.rstrip('/')}/{safe_name(experiment)}/{sweep}"


def _problem_of_protocol(protocol: str) -> str | None:
    import fsspec

    try:
        fsspec.get_filesystem_class(protocol)
    except ValueError:
        known = sorted(fsspec.available_protocols())
        hint = did_you_mean(protocol, known)
        return f"unknown protocol {protocol!r}{hint} (known: {', '.join(known)})"
    except ImportError as exc:
        return f"{protocol}:// needs a package that is not installed: {exc}"
    return None
