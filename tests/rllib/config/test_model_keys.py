"""The keys of the networks: what the networks are then."""

import pytest
import torch
from ray.rllib.core.columns import Columns

from tests.rllib.config.configs import DOCS, PONG, actions_of, built, kinds, module, widths
from tune_tasks.rllib.config.model_keys import ATARI_MODEL

pytestmark = pytest.mark.rllib


@pytest.mark.parametrize(
    "names", [("Q_model", "policy_model"), ("q_model_config", "policy_model_config")]
)
def test_sacs_two_models_of_old_are_one(names):
    model = {"hidden_layer_sizes": [24], "hidden_activation": "tanh"}
    made = module(built("SAC", dict.fromkeys(names, model), "Pendulum-v1"))
    assert widths(made.pi_encoder) == [24]
    assert {"Tanh"} <= kinds(made.pi_encoder)


def test_fully_connected_layers():
    model = {
        "fcnet_hiddens": [24, 12],
        "fcnet_activation": "relu",
        "post_fcnet_hiddens": [7],
        "post_fcnet_activation": "elu",
    }
    made = module(built("PPO", {"model": model}))
    assert widths(made.encoder.actor_encoder) == [24, 12]
    assert widths(made.pi) == [7, 2]
    assert (
        "ReLU" in kinds(made.encoder),
        "Tanh" in kinds(made.encoder),
        "ELU" in kinds(made.pi),
    ) == (True, False, True)


def test_without_a_model_an_algorithm_keeps_its_own():
    made = module(built("PPO", {}))
    assert widths(made.encoder) == [256] * 4  # PPO does not share its layers
    assert kinds(made.encoder) >= {"Tanh"}


def test_one_key_of_the_model_changes_no_other():
    assert (
        widths(module(built("PPO", {"model": {"fcnet_activation": "relu"}})).encoder) == [256] * 4
    )
    assert widths(module(built("PPO", {"model": {"vf_share_layers": True}})).encoder) == [256] * 2


def test_hiddens_of_dqn_are_its_heads():
    made = module(
        built("DQN", {"hiddens": [33], "model": {"fcnet_hiddens": [20]}, "dueling": True})
    )
    assert (widths(made.encoder), widths(made.af), widths(made.vf)) == ([20], [33, 2], [33, 1])
    assert not hasattr(module(built("DQN", {"dueling": False})), "vf")


@pytest.mark.parametrize(
    "config", [{"use_lstm": True, "model": {"lstm_cell_size": 17}}, {"model": {"use_lstm": True}}]
)
def test_an_lstm(config):
    made = module(built("PPO", config))
    cells = [layer.hidden_size for layer in made.modules() if isinstance(layer, torch.nn.LSTM)]
    assert cells == [config["model"].get("lstm_cell_size", 256)] * 2
    assert made.model_config["max_seq_len"] == 20


def test_max_seq_len():
    assert (
        module(built("PPO", {"use_lstm": True, "model": {"max_seq_len": 7}})).model_config[
            "max_seq_len"
        ]
        == 7
    )


def test_free_log_std():
    of = {
        free: module(built("PPO", {"model": {"free_log_std": free}}, "Pendulum-v1")).pi
        for free in (True, False)
    }
    assert (widths(of[True]), widths(of[False])) == ([1], [2])
    assert kinds(of[True]) != kinds(of[False])


@pytest.mark.parametrize("old", ["weights", "kernel", "bias"])
@pytest.mark.parametrize(("part", "network"), [("fcnet", "encoder"), ("post_fcnet", "af")])
def test_initial_weights(part, network, old):
    model = {
        f"{part}_{old}_initializer": "constant_",
        f"{part}_{old}_initializer_config": {"val": 0.25},
    }
    layers = getattr(
        module(built("DQN", {"model": model | {f"{part}_hiddens": [5]}})), network
    ).modules()
    first = next(layer for layer in layers if isinstance(layer, torch.nn.Linear))
    assert torch.all((first.bias if old == "bias" else first.weight) == 0.25)


@pytest.mark.parametrize("old", ["weights", "kernel", "bias"])
@pytest.mark.parametrize("part", ["conv", "lstm"])
def test_initial_weights_of_images_and_memory(part, old):
    model = {
        f"{part}_{old}_initializer": "constant_",
        f"{part}_{old}_initializer_config": {"val": 0.25},
    }
    made = module(built("PPO", {"model": model, "use_lstm": True}, PONG))
    layer = {"conv": torch.nn.Conv2d, "lstm": torch.nn.LSTM}[part]
    first = next(x for x in made.modules() if isinstance(x, layer))
    tensor = {
        "conv": lambda: first.bias if old == "bias" else first.weight,
        "lstm": lambda: first.bias_ih_l0 if old == "bias" else first.weight_ih_l0,
    }[part]()
    assert torch.all(tensor == 0.25)


def test_an_atari_game_has_networks_that_a_cpu_can_train():
    made = module(built("PPO", {}, PONG))
    convolutions = [
        (x.in_channels, x.out_channels, x.stride)
        for x in made.modules()
        if isinstance(x, torch.nn.Conv2d)
    ]
    assert convolutions == [(4, 32, (2, 2))] + [(32, 32, (2, 2))] * 3  # shared by policy and value
    assert sum(p.numel() for p in made.parameters()) < 250_000
    assert actions_of(made, (42, 42, 4))[Columns.ACTION_DIST_INPUTS].shape == (1, 6)


@pytest.mark.parametrize("dim", [80, 84])
def test_images_of_any_size_have_a_network(dim):
    made = module(built("PPO", {"model": {"dim": dim}}, PONG))
    assert actions_of(made, (dim, dim, 4))[Columns.ACTION_DIST_INPUTS].shape == (1, 6)


def test_conv_filters_of_2017():
    filters = [[16, [8, 8], 4], [32, [4, 4], 2]]
    made = module(
        built("PPO", {"model": {"conv_filters": filters, "conv_activation": "elu"}}, PONG)
    )
    layers = [layer for layer in made.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert [
        [layer.out_channels, list(layer.kernel_size), layer.stride[0]] for layer in layers
    ] == filters
    assert "ELU" in kinds(made)


def test_the_table_for_people_tells_the_networks_of_atari():
    assert str(ATARI_MODEL["conv_filters"][0]) in DOCS.read_text()
