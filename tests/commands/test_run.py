"""The command that runs a sweep: what it refuses before anything starts."""


def test_a_folder_of_results_that_is_a_file_is_refused(refusal):
    config = '{"script_file_path": "os:getpid"}'
    said = refusal("--config", config, "--local-dir", "spec.yaml/x")
    assert said.endswith("/spec.yaml is a file\n")
