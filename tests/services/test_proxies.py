"""A configured Prefect server behind a proxy that is not always well."""

import json

from tests.services.proxies import failing, proxy


def trial_runs(url):
    """The flow run's task runs of trials and their monitors: name and state."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[url.rsplit("/", 1)[-1]]))
    with get_client(sync_client=True) as client:
        runs = client.read_task_runs(flow_run_filter=of_run)
    return {run.name: run.state.name for run in runs if run.name.endswith("script_0")}


def test_a_proxy_without_websockets_that_has_bad_moments(command, folder, prefect):
    """Answers of its own to the first request, as the flow run is made, and as it begins.

    No event gets through.
    """
    (folder / "script.py").write_text(
        "def train(config, reporter):\n    reporter(timesteps_total=1)\n"
    )
    (folder / "spec.yaml").write_text("exp: {config: {script_file_path: script.py}}")
    with proxy(prefect.ui_url, failing({0, 5, 8})) as (url, asked):
        process = command(
            "-f", "spec.yaml", "--num-cpus", 1, "--json", env={"PREFECT_API_URL": f"{url}/api"}
        )
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    (trial,) = json.loads(out)["experiments"]["exp"]["trials"]
    assert (trial["state"], trial["reports"]) == ("TERMINATED", 1)
    assert (
        f"Warning: the Prefect server {url}/api does not answer (it answered 500); trying for 30 s"
        in err
    )
    assert "Warning: Prefect did not know 2 of 2 task runs" in err
    assert trial_runs(json.loads(out)["prefect_url"]) == {
        "script_0": "Completed",
        "monitor script_0": "Completed",
    }
    assert asked[5].startswith("POST /api/flow_runs/")
