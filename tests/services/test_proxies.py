"""A configured Prefect server behind a proxy that is not always well."""

import json

from proxies import proxy


def test_a_bad_moment_of_a_proxy_fails_no_sweep(command, folder, prefect):
    """One at the first request, one as the flow run is made, and one as it begins."""
    (folder / "script.py").write_text("def train(config, reporter):\n    reporter(timesteps_total=1)\n")
    (folder / "spec.yaml").write_text("exp: {config: {script_file_path: script.py}}")
    with proxy(prefect.ui_url, failing={0, 5, 8}) as (url, asked):
        process = command("-f", "spec.yaml", "--num-cpus", 1, "--json", env={"PREFECT_API_URL": f"{url}/api"})
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    (trial,) = json.loads(out)["experiments"]["exp"]["trials"]
    assert (trial["state"], trial["reports"]) == ("TERMINATED", 1)
    assert f"Warning: the Prefect server {url}/api does not answer (it answered 500); trying for 30 s" in err
    assert asked[5].startswith("POST /api/flow_runs/")
