"""An address that cannot be a storage is refused before anything starts, with its place."""

import pytest

from tune_tasks.errors import SpecError
from tune_tasks.model.masking import masked_spec
from tune_tasks.spec.loading import load_spec, spec_from_data
from tune_tasks.spec.storage import address_of_trials, problem_of_storage


@pytest.mark.parametrize(
    "address", ["file:///shared/runs", "memory://runs", "ftp://me:pw@host/runs"]
)
def test_what_can_be_one(address):
    assert problem_of_storage(address) is None


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("/shared/runs", "got '/shared/runs'; did you mean 'file:///shared/runs'?"),
        ("bucket", "expected an address such as s3://bucket/folder"),
        ("file://shared", "which other machines would look for elsewhere"),
        ("simplecache::s3://bucket", "expected an address such as"),
        ("ftps3://bucket", "unknown protocol 'ftps3'"),
        ("oci://bucket/runs", "oci:// needs a package that is not installed:"),
        ("ftp://me:***@host/runs", "give it again"),
    ],
)
def test_what_cannot(address, problem):
    assert problem in problem_of_storage(address)


def test_a_misspelt_protocol_has_its_place_and_the_known_ones(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(
        "exp:\n    config: {script_file_path: train.py}\n    storage: ss3://bucket/runs\n"
    )
    with pytest.raises(SpecError) as error:
        load_spec(path)
    message = str(error.value)
    assert "spec.yaml:3:14: exp.storage: unknown protocol 'ss3'; did you mean 's3'?" in message
    assert "known: abfs" in message


def test_the_trials_of_a_sweep_have_a_folder_there_as_they_have_on_the_disk():
    address = address_of_trials("s3://bucket/runs/", "my exp", "2026-11-28_21-00-00_ab12")
    assert address == "s3://bucket/runs/my_exp/2026-11-28_21-00-00_ab12"


def test_its_password_is_masked():
    spec = {"exp": {"storage": "ftp://me:secret@host/runs"}}
    assert masked_spec(spec) == {"exp": {"storage": "ftp://me:***@host/runs"}}
    with pytest.raises(SpecError) as error:
        spec_from_data({"exp": {"storage": "ftps3://me:secret@host/runs", "config": {}}})
    assert "got 'ftps3://me:***@host/runs'" in str(error.value)
    assert "'simplecache::s3://me:***@x'" in problem_of_storage("simplecache::s3://me:secret@x")
