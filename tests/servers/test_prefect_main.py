"""The process of our own Prefect server."""

from tune_tasks.servers import prefect_main


def test_an_auth_string_is_kept_and_one_that_others_could_read_is_drawn_anew(tmp_path):
    file = tmp_path / "auth"
    first = prefect_main._auth_string(file)
    assert prefect_main._auth_string(file) == first
    file.chmod(0o644)
    second = prefect_main._auth_string(file)
    assert second != first
    assert file.read_text() == second
    assert file.stat().st_mode & 0o777 == 0o600
