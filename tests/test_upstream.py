"""What we reach into that is private of Ray, Prefect, RLlib, MLflow, Optuna and Python is what we take it for.

An upgrade that changes one of them fails here, and the table "What we reach into that is private" in
`docs/architecture.md` says which file relies on it, and what breaks.
"""

import argparse
import ast
import importlib
import inspect
import logging
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tune_tasks.trial.forking import registered_function

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[1]
HOOKS = []


def hook(*names):
    """Name the hooks that a test checks, as the table has them."""

    def register(test):
        HOOKS.extend(names)
        return test

    return register


def source(module):
    return inspect.getsource(importlib.import_module(module))


def folder(package):
    return Path(importlib.import_module(package).__file__).parent


def parameters(function):
    return list(inspect.signature(function).parameters)


# ---- The table


def rows():
    text = (ROOT / "docs" / "architecture.md").read_text()
    _, _, section = text.partition("## What we reach into that is private\n")
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.partition("\n## ")[0].splitlines()
        if line.startswith("| `")
    ]
    return {names: files for names, files, *_ in cells}


def quoted(cell):
    return re.findall(r"`([^`]+)`", cell)


def test_the_table_and_these_tests_name_the_same_hooks():
    listed = [name for names in rows() for name in quoted(names)]
    assert sorted(listed) == sorted(HOOKS)


def test_the_files_of_the_table_use_what_it_says():
    for names, files in rows().items():
        text = "".join((ROOT / "tune_tasks" / f"{file}.py").read_text() for file in quoted(files))
        for name in quoted(names):
            assert re.split(r"[./=(]", name.rstrip("()="))[-1] in text, name


def test_nothing_private_is_used_that_the_table_does_not_list():
    trees = [ast.parse(path.read_text()) for path in (ROOT / "tune_tasks").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, NAMING)]
    # What we define ourselves may have the name of something private elsewhere: that is not seen
    names = set().union(*map(reached_into, nodes)) - set().union(*map(defined, nodes))
    listed = " ".join(rows())
    documented = {"_exit", "_fields", "_replace"}  # of `os`, and of named tuples
    assert {name for name in names - documented if name not in listed} == set()


NAMING = ast.Attribute | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.AnnAssign


def reached_into(node):
    """The private names that a node takes from something else."""
    names = []
    if isinstance(node, ast.Attribute):
        names = [node.attr]
    elif isinstance(node, ast.ImportFrom) and not node.module.startswith("tune_tasks"):
        names = [*node.module.split("."), *(alias.name for alias in node.names)]
    return {name for name in names if re.match("_[a-z]", name)}


def defined(node):
    """The names that a node gives to something of ours."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return {node.target.id}
    is_ours = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    return {node.attr} if is_ours and node.value.id == "self" else set()


# ---- Python


@hook("argparse.ArgumentParser._option_string_actions")
def test_a_parser_lists_its_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--spec", "-f")
    assert {"--spec", "-f", "--help"} <= parser._option_string_actions.keys()


@hook("argparse.ArgumentParser.error.__code__")
def test_argparse_leaves_through_error_which_has_the_message():
    with pytest.raises(SystemExit) as caught:
        argparse.ArgumentParser().parse_args(["--unknown"])
    frames, trace = [], caught.value.__traceback__
    while trace:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    (frame,) = [f for f in frames if f.f_code is argparse.ArgumentParser.error.__code__]
    assert "--unknown" in frame.f_locals["message"]


@hook("threading._threading_atexits")
def test_what_threading_calls_at_its_end_is_a_list_of_wrapped_functions():
    class Service:
        def at_exit(self): ...

    before = list(threading._threading_atexits)
    service = Service()
    threading._register_atexit(service.at_exit)
    (added,) = [call for call in threading._threading_atexits if call not in before]
    threading._threading_atexits.remove(added)
    assert registered_function(added).__self__ is service


@hook("sys._getframe")
def test_a_frame_is_that_of_the_caller():
    assert sys._getframe(0).f_code.co_filename == __file__


@hook("logging.Logger.callHandlers")
def test_a_record_goes_through_the_class_attribute(monkeypatch):
    seen = []
    monkeypatch.setattr(logging.Logger, "callHandlers", lambda logger, record: seen.append(record))
    logging.getLogger("upstream").error("said")
    assert [record.msg for record in seen] == ["said"]


@hook("matplotlib.pyplot._backend_mod")
def test_pyplot_chooses_its_backend_anew_if_it_has_none():
    code = (
        "import matplotlib.pyplot as plt; plt.switch_backend('svg'); plt.close('all');"
        "plt._backend_mod = None; plt.rcParams['backend'] = 'pdf';"
        "print(type(plt.figure().canvas).__name__)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "FigureCanvasPdf\n"


@hook("joblib.externals.loky.reusable_executor._executor")
def test_joblib_keeps_its_processes_in_a_global():
    loky = pytest.importorskip("joblib.externals.loky.reusable_executor")
    assert hasattr(loky, "_executor")
    assert "kill_workers" in parameters(loky._ReusablePoolExecutor.shutdown)


# ---- Ray


@pytest.mark.services
@hook("ray._private.services.ConsolePopen")
def test_ray_starts_its_processes_by_a_name_of_the_module():
    services = importlib.import_module("ray._private.services")
    assert issubclass(services.ConsolePopen, subprocess.Popen)
    started = inspect.getsource(services.start_ray_process)
    assert "ConsolePopen(" in started
    assert "start_new_session" not in started


@pytest.mark.services
@hook("ray._private.utils.set_sigterm_handler")
def test_ray_sets_its_sigterm_handlers_by_a_name_of_the_module():
    assert parameters(importlib.import_module("ray._private.utils").set_sigterm_handler)
    for module in ("ray._private.worker", "ray._private.node"):
        assert "ray._private.utils.set_sigterm_handler(" in source(module)


@pytest.mark.services
@hook("SystemExit.ray_terminate_msg")
def test_a_worker_that_is_told_to_end_exits_with_a_message():
    from ray._raylet import raise_sys_exit_with_custom_error_message

    with pytest.raises(SystemExit) as raised:
        raise_sys_exit_with_custom_error_message("told", exit_code=1)
    assert raised.value.ray_terminate_msg == "told"
    handler = source("ray._private.worker").partition("def main_loop(self)")[2]
    assert "raise_sys_exit_with_custom_error_message(" in handler[:400]


@pytest.mark.services
@hook("ray._private.parameter.RayParams")
def test_ray_takes_its_parameters_by_a_name_of_the_module():
    import ray._private.parameter
    import ray._private.worker

    assert {"dashboard_agent_listen_port", "no_monitor"} <= {
        *parameters(ray._private.parameter.RayParams.__init__)
    }
    assert "ray._private.parameter.RayParams(" in inspect.getsource(ray._private.worker.init)


@pytest.mark.services
@hook("ray._private.ray_constants.ENABLE_RAY_CLUSTER")
def test_a_ray_that_is_no_cluster_of_machines_is_on_loopback(monkeypatch):
    import ray._private.services
    import ray._private.worker

    monkeypatch.setattr("ray._private.worker._global_node", None)
    monkeypatch.setattr("ray._private.ray_constants.ENABLE_RAY_CLUSTER", False)
    assert ray._private.services.get_node_ip_address() == "127.0.0.1"


@pytest.mark.services
@hook("ray._raylet.Config.initialize", "ray._raylet.AuthenticationTokenLoader.reset_cache")
def test_ray_reads_the_environment_again():
    """In a process of its own: a cluster that this one uses would be sent no token any more."""
    code = (
        "from ray._raylet import AuthenticationTokenLoader, Config;"
        "Config.initialize(''); AuthenticationTokenLoader.instance().reset_cache()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.services
@hook("ray._common.utils.get_default_system_temp_dir")
def test_ray_says_where_it_would_have_its_files():
    from ray._common import utils

    assert Path(utils.get_default_system_temp_dir()).is_dir()


@pytest.mark.services
@hook("ray.init(_temp_dir=)")
def test_ray_takes_a_folder_for_its_files():
    assert '"_temp_dir"' in source("ray._private.worker")


@pytest.mark.services
@hook(
    "RAY_gcs_rpc_server_reconnect_timeout_s",
    "RAY_enable_metrics_collection",
    "RAY_USAGE_STATS_ENABLED",
    "RAY_AUTH_MODE",
    "RAY_AUTH_TOKEN",
    "DASHBOARD_METRIC_PORT",
)
def test_ray_knows_these_variables():
    native = (folder("ray") / "_raylet.so").read_bytes()
    for name in (b"gcs_rpc_server_reconnect_timeout_s", b"enable_metrics_collection"):
        assert name in native
    for name in (b"AUTH_MODE", b"RAY_AUTH_TOKEN"):
        assert name in native
    assert "RAY_USAGE_STATS_ENABLED" in source("ray._common.usage.usage_constants")
    assert "DASHBOARD_METRIC_PORT" in source("ray.dashboard.consts")


# ---- Prefect


@pytest.mark.services
@hook("prefect.task_engine._concurrency")
def test_the_engine_asks_for_slots_by_a_name_of_its_module():
    from prefect import task_engine

    assert "holder" in parameters(task_engine._concurrency)
    called = source("prefect.task_engine")
    assert "with _concurrency(" in called
    assert 'holder=ConcurrencyLeaseHolder(type="task_run", id=self.task_run.id)' in called


@pytest.mark.services
@hook("prefect_ray.task_runners.RayTaskRunner._started")
def test_a_task_runner_says_whether_it_is_started():
    from prefect_ray.task_runners import RayTaskRunner

    assert RayTaskRunner()._started is False


@pytest.mark.services
@hook("prefect.context.hydrated_context", "prefect.context.serialize_context")
def test_a_flows_context_can_be_sent_and_opened():
    from prefect import context

    assert parameters(context.hydrated_context)[0] == "serialized_context"
    assert context.serialize_context().keys() >= {"flow_run_context", "settings_context"}


@pytest.mark.services
@hook("prefect.task_engine.run_task_sync")
def test_a_task_runs_under_an_id_and_gives_back_its_state():
    from prefect.task_engine import run_task_sync

    assert {"task", "task_run_id", "parameters", "return_type"} <= {*parameters(run_task_sync)}


@pytest.mark.services
@hook(
    "prefect.logging.handlers.APILogWorker.drain_all",
    "prefect.events.worker.EventsWorker.drain_all",
)
def test_logs_and_events_can_be_sent_at_once():
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (APILogWorker, EventsWorker):
        assert parameters(worker.drain_all) == ["timeout", "at_exit"]


@pytest.mark.services
@hook("prefect.exceptions.Abort", "prefect.exceptions.Pause")
def test_the_flow_engine_sets_no_state_after_these():
    from prefect.exceptions import Abort, Pause

    assert issubclass(Abort, BaseException)
    assert "state" in parameters(Pause.__init__)
    engine = source("prefect.flow_engine")
    assert "except Abort" in engine or "(Abort, Pause)" in engine


@pytest.mark.services
@hook("PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS")
def test_a_runner_says_that_it_supervises_a_run():
    starter = source("prefect.runner._starter_engine")
    assert '"PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS": "false"' in starter


@pytest.mark.services
@hook("PREFECT__CONTROL_PORT", "PREFECT__CONTROL_TOKEN")
def test_the_engine_finds_its_supervisor_by_the_environment():
    listener = source("prefect._internal.control_listener")
    for name in ("PREFECT__CONTROL_PORT", "PREFECT__CONTROL_TOKEN"):
        assert f'os.environ.pop("{name}", None)' in listener


@pytest.mark.services
@hook("prefect.engine")
def test_the_engine_is_a_program_that_finds_its_flow_run_in_the_environment():
    engine = source("prefect.engine")
    assert 'if __name__ == "__main__":' in engine
    assert 'os.environ.get("PREFECT__FLOW_RUN_ID")' in engine


@pytest.mark.services
@hook(
    "prefect.runner.runner.EngineCommandStarter",
    "prefect.runner._starter_engine.EngineCommandStarter(command=)",
)
def test_a_runner_starts_the_engine_by_a_command_that_can_be_given():
    from prefect.runner import _starter_engine, runner

    starter = _starter_engine.EngineCommandStarter
    assert runner.EngineCommandStarter is starter
    assert "command" in parameters(starter)
    calls = [
        node
        for node in ast.walk(ast.parse(source("prefect.runner.runner")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "EngineCommandStarter"
    ]
    assert calls
    assert not [call for call in calls if "command" in {word.arg for word in call.keywords}]


@pytest.mark.services
@hook("prefect.server.api.server.create_app(final=)")
def test_the_server_is_an_application_that_can_be_added_to():
    from prefect.server.api.server import create_app

    assert "final" in parameters(create_app)


@pytest.mark.services
@hook("prefect-password")
def test_prefects_pages_keep_the_password_under_this_name():
    pages = (folder("prefect") / "server" / "ui" / "assets").glob("*.js")
    assert any("prefect-password" in page.read_text() for page in pages)


@pytest.mark.services
@hook(
    "PREFECT_SERVER_UI_API_URL",
    "PREFECT_SERVER_UI_STATIC_DIRECTORY",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL",
)
def test_prefects_server_knows_these_variables():
    from prefect import settings

    for name in HOOKS:
        if name.startswith("PREFECT_SERVER"):
            assert hasattr(settings, name), name


# ---- MLflow


def fluent():
    from mlflow.tracking import fluent

    return fluent


@pytest.mark.services
@hook("mlflow.tracking.fluent._active_run_stack")
def test_mlflow_has_a_stack_of_active_runs_for_each_thread():
    stack = fluent()._active_run_stack
    assert callable(stack.default_factory)
    assert stack.get() == []
    assert threading.get_ident() in stack.get_all_thread_values()
    stack.reset()


@pytest.mark.services
@hook(
    "mlflow.tracking.fluent._active_experiment_id",
    "mlflow.tracking.fluent._last_active_run_id",
    "mlflow.tracking.fluent._last_logged_model_id",
    "mlflow.tracking.fluent._ACTIVE_MODEL_CONTEXT",
    "mlflow.tracking.fluent.run_id_to_system_metrics_monitor",
)
def test_mlflow_keeps_the_rest_of_its_state_there():
    module = fluent()
    assert hasattr(module, "_active_experiment_id")
    assert isinstance(module.run_id_to_system_metrics_monitor, dict)
    for name in ("_last_active_run_id", "_last_logged_model_id", "_ACTIVE_MODEL_CONTEXT"):
        assert callable(getattr(module, name).reset)


@pytest.mark.services
@hook(
    "mlflow.tracking._tracking_service.utils._tracking_uri",
    "mlflow.tracking._tracking_service.utils.reset",
    "mlflow.tracking._model_registry.utils._registry_uri",
)
def test_mlflow_keeps_where_it_sends_to_there():
    from mlflow.tracking._model_registry import utils as registry
    from mlflow.tracking._tracking_service import utils as tracking

    assert "_tracking_uri" in vars(tracking)
    assert "_registry_uri" in vars(registry)
    assert parameters(tracking.reset) == []


@pytest.mark.services
@hook(
    "mlflow.utils.import_hooks._post_import_hooks",
    "mlflow.utils.autologging_utils.AUTOLOGGING_INTEGRATIONS",
    "mlflow.utils.autologging_utils.revert_patches",
)
def test_mlflow_keeps_what_autolog_has_done_there():
    from mlflow.utils import autologging_utils, import_hooks

    assert isinstance(import_hooks._post_import_hooks, dict)
    assert isinstance(autologging_utils.AUTOLOGGING_INTEGRATIONS, dict)
    assert parameters(autologging_utils.revert_patches) == ["autologging_integration"]


@pytest.mark.services
@hook(
    "mlflow.start_run()", "mlflow.end_run()", "mlflow.set_experiment()", "mlflow.set_tracking_uri()"
)
def test_mlflows_functions_that_we_wrap_have_these_parameters():
    import mlflow

    first = ["run_id", "experiment_id", "run_name", "nested", "parent_run_id"]
    assert parameters(mlflow.start_run)[:5] == first
    assert parameters(mlflow.end_run) == ["status"]
    assert parameters(mlflow.set_experiment)[:2] == ["experiment_name", "experiment_id"]
    assert parameters(mlflow.set_tracking_uri) == ["uri"]


@pytest.mark.services
@hook("mlflow/store/db_migrations/versions")
def test_mlflows_schema_has_one_newest_revision():
    from tune_tasks.servers.mlflow_database import _revisions

    known, newest = _revisions()
    assert newest in known


@hook("tensorboard.compat.proto", "tensorboard.summary.writer.record_writer.RecordWriter")
def test_tensorboard_encodes_events(tmp_path):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    path = tmp_path / "events"
    with path.open("wb") as file:
        RecordWriter(file).write(Event(step=7).SerializeToString())
    assert [event.step for event in EventFileLoader(str(path)).Load()] == [7]


@pytest.mark.services
@hook("mlflow.sharedViewState.")
def test_mlflows_pages_read_shared_views():
    pages = (folder("mlflow") / "server" / "js" / "build" / "static" / "js").glob("main.*.js")
    assert any("mlflow.sharedViewState" in page.read_text() for page in pages)


@pytest.mark.services
@hook(
    "mlflow.experiment.primaryMetric.name",
    "mlflow.experiment.primaryMetric.greaterIsBetter",
    "mlflow.loggedArtifacts",
)
def test_mlflow_has_these_tags():
    tags = vars(importlib.import_module("mlflow.utils.mlflow_tags")).values()
    assert {name for name in HOOKS if re.match(r"mlflow\.(experiment|logged)", name)} <= {
        tag for tag in tags if isinstance(tag, str)
    }


@pytest.mark.services
@hook("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "MLFLOW_DISABLE_TELEMETRY")
def test_mlflow_knows_these_variables():
    from mlflow import environment_variables

    assert hasattr(environment_variables, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION")
    assert hasattr(environment_variables, "MLFLOW_DISABLE_TELEMETRY")


# ---- RLlib


@pytest.mark.rllib
@hook(
    "EnvRunnerGroup._worker_manager",
    "EnvRunnerGroup._worker_manager._filter_calls_by_tag",
)
def test_a_group_of_workers_has_a_manager():
    from ray.rllib.env import env_runner_group
    from ray.rllib.utils.actor_manager import FaultTolerantActorManager as Manager

    assert "self._worker_manager = FaultTolerantActorManager(" in inspect.getsource(
        env_runner_group.EnvRunnerGroup
    )
    assert parameters(Manager._filter_calls_by_tag)[1:] == ["tags"]
    assert {"healthy_only", "timeout_seconds", "mark_healthy"} <= {
        *parameters(Manager.foreach_actor)
    }
    assert callable(Manager.clear)


@pytest.mark.rllib
@hook("LearnerGroup._learner")
def test_a_group_without_actors_has_its_learner_here():
    assert "self._learner = " in source("ray.rllib.core.learner.learner_group")


@pytest.mark.rllib
@hook("Learner._weights_seq_no", "Learner._compute_off_policyness", "Learner._learner_connector")
def test_a_learner_counts_its_weights():
    from ray.rllib.core.learner.learner import Learner
    from ray.rllib.core.learner.torch.torch_learner import TorchLearner

    text = inspect.getsource(Learner)
    assert "self._weights_seq_no = 0" in text
    assert "self._learner_connector = " in text
    assert parameters(TorchLearner._compute_off_policyness) == ["self", "batch"]


@pytest.mark.rllib
@hook("SingleAgentEnvRunner._seed", "SingleAgentEnvRunner._needs_initial_reset")
def test_an_env_runner_seeds_each_reset_while_it_has_a_seed():
    text = source("ray.rllib.env.single_agent_env_runner")
    assert "self._seed" in text
    assert "self._needs_initial_reset = True" in text


@pytest.mark.rllib
@hook(
    "AlgorithmConfig._dont_auto_sync_env_runner_states",
    "AlgorithmConfig._model_config_auto_includes",
    "AlgorithmConfig._value_error",
)
def test_an_algorithms_settings_have_these():
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

    config = AlgorithmConfig()
    assert config._dont_auto_sync_env_runner_states is False
    assert isinstance(
        inspect.getattr_static(AlgorithmConfig, "_model_config_auto_includes"), property
    )
    with pytest.raises(ValueError, match="wrong"):
        config._value_error("wrong")


@pytest.mark.rllib
@hook("MeanStdFilter._init_new_filters", "MeanStdFilter._filters", "RunningStat.num_pushes_delta")
def test_a_filter_keeps_its_statistics_there():
    from ray.rllib.connectors.env_to_module import MeanStdFilter
    from ray.rllib.utils.filter import RunningStat

    assert callable(MeanStdFilter._init_new_filters)
    assert "self._filters" in inspect.getsource(MeanStdFilter)
    names = {"num_pushes", "mean_array", "sum_sq_diff_array"}
    names |= {"num_pushes_delta", "mean_delta_array", "sum_sq_diff_delta_array"}
    assert names <= vars(RunningStat((2,))).keys()


# ---- Optuna


@hook(
    "optuna.samplers._tpe.sampler._split_trials",
    "optuna.samplers._tpe.sampler._split_complete_trials",
    "TPESampler._sample",
    "TPESampler._get_internal_repr",
    "TPESampler._build_parzen_estimator",
    "TPESampler._compute_acquisition_func",
    "TPESampler._compare",
    "TPESampler._rng",
    "TPESampler._n_ei_candidates",
)
def test_tpe_goes_from_trials_to_values_in_these_steps():
    """That they lead to the same values is tested beside the searchers."""
    from optuna.samplers import TPESampler
    from optuna.samplers._tpe import sampler

    assert parameters(sampler._split_trials) == ["study", "trials", "n_below"]
    assert parameters(sampler._split_complete_trials) == ["trials", "study", "n_below"]
    assert parameters(TPESampler._sample) == ["self", "study", "trial", "search_space"]
    told = ["self", "trials", "search_space", "study"]
    assert parameters(TPESampler._get_internal_repr) == told
    estimator = ["self", "study", "search_space", "trials", "handle_below"]
    assert parameters(TPESampler._build_parzen_estimator) == estimator
    compared = ["self", "samples", "mpe_below", "mpe_above"]
    assert parameters(TPESampler._compute_acquisition_func) == compared
    assert parameters(TPESampler._compare) == ["samples", "acquisition_func_vals"]
    made = TPESampler(seed=1)
    assert (made._n_ei_candidates, type(made._rng).__name__) == (24, "LazyRandomState")


@pytest.mark.rllib
@hook("ray.tune.trainable.trainable.DEFAULT_STORAGE_PATH")
def test_rllib_reads_its_folder_when_it_builds():
    from ray.tune.trainable import trainable

    assert isinstance(trainable.DEFAULT_STORAGE_PATH, str)


@pytest.mark.rllib
@hook(
    "ray.data._internal.block_batching.block_batching.batch_blocks",
    "ray.data._internal.object_extensions.arrow.raise_on_pickle_object_columns",
)
def test_ray_data_makes_batches_without_a_cluster():
    from ray.data._internal.block_batching.block_batching import batch_blocks
    from ray.data._internal.object_extensions.arrow import raise_on_pickle_object_columns

    names = {"batch_size", "batch_format", "drop_last", "shuffle_buffer_min_size", "shuffle_seed"}
    assert names | {"ensure_copy"} <= {*parameters(batch_blocks)}
    assert callable(raise_on_pickle_object_columns)


@pytest.mark.rllib
@hook("OfflinePreLearner._module", "OfflinePreLearner._postprocess_and_sample")
def test_offline_data_is_prepared_with_a_module():
    from ray.rllib.offline.offline_prelearner import OfflinePreLearner

    assert "self._module" in inspect.getsource(OfflinePreLearner)
    assert parameters(OfflinePreLearner._postprocess_and_sample)[:2] == ["self", "episodes"]


@hook(
    "optuna.samplers._tpe.parzen_estimator._ParzenEstimator._calculate_numerical_distributions",
    "TPESampler._parzen_estimator_cls",
)
def test_optunas_tpe_makes_its_kernels_in_a_class_that_can_be_another():
    from optuna.distributions import FloatDistribution, IntDistribution
    from optuna.samplers import TPESampler
    from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator

    sampler = TPESampler()
    assert sampler._parzen_estimator_cls is _ParzenEstimator
    for domain in (FloatDistribution(1, 9), IntDistribution(1, 9), IntDistribution(1, 9, log=True)):
        domains = {"n": domain}
        told = {"n": np.array([2.0])}
        made = _ParzenEstimator(told, domains, sampler._parzen_estimator_parameters)
        (kernels,) = made._mixture_distribution.distributions
        assert len(kernels.mu) == len(kernels.sigma) == 2
        assert kernels.step == (domain.step or 0)
        assert kernels.is_log == domain.log
