"""Secrets in a config are known by their names."""

import pytest

from tune_tasks.model.masking import (
    is_mask,
    masked,
    masked_by_path,
    masked_spec,
    secrets_in,
    secrets_of,
)

SECRET = [
    *(
        "token",
        "hf_token",
        "HF_TOKEN",
        "hftoken",
        "accessToken",
        "wandb-token",
        "auth_token_2",
        "token_value",
        "bearer_token",
    ),
    *(
        "password",
        "DB_PASSWORD",
        "dbPassword",
        "user.password",
        "passwd",
        "passphrase",
        "pwd",
        "smtp_pwd",
        "password2",
    ),
    *(
        "api_key",
        "apikey",
        "apiKey",
        "openai_api_key",
        "OPENAI_API_KEY",
        "OpenAIAPIKey",
        "api_keys",
        "api_tokens",
    ),
    *(
        "secret",
        "client_secret",
        "aws_secret_access_key",
        "secret_key",
        "private_key",
        "aws_access_key",
        "credentials",
    ),
    *("Authorization", "account_key"),
]
HARMLESS = [
    *(
        "tokenizer",
        "tokenizer_name",
        "tokenization",
        "token_type",
        "token_pooling",
        "token_embedding",
        "token_mixer",
    ),
    *(
        "pad_token",
        "eos_token",
        "bos_token_id",
        "padToken",
        "special_tokens",
        "stop_tokens",
        "tokens",
        "train_tokens",
    ),
    *(
        "key",
        "sort_key",
        "keys",
        "monkey",
        "hotkey",
        "author",
        "optimizer",
        "lr",
        "env",
        "",
        "0",
        "_",
        "путь",
    ),
    *(
        "api_key_env",
        "token_file",
        "HF_TOKEN_PATH",
        "password_policy",
        "token_url",
        "credentials_file",
        "secret_name",
    ),
]


@pytest.mark.parametrize("name", SECRET)
def test_a_text_under_a_usual_name_is_a_secret(name):
    assert masked({name: "s3cret"}) == {name: "***"}
    assert list(secrets_in({"a": [{name: "s3cret"}]})) == [("a", 0, name)]


@pytest.mark.parametrize("name", HARMLESS)
def test_other_names_are_no_secrets(name):
    assert masked({name: "s3cret"}) == {name: "s3cret"}
    assert list(secrets_in({name: "s3cret"})) == []


@pytest.mark.parametrize(
    "name",
    ["num_tokens", "max_tokens", "token_dim", "token", "max_token", "secret_size", "api_key"],
)
@pytest.mark.parametrize("value", [64, 0.5, True, None, ""])
def test_numbers_are_settings(name, value):
    assert masked({name: value}) == {name: value}


def test_a_number_can_be_a_password():
    assert masked({"password": 12345678, "db_passwd": 1, "password_length": 8}) == {
        "password": "***",
        "db_passwd": "***",
        "password_length": 8,
    }


def test_what_is_below_a_secret_name_is_secret_at_any_depth():
    config = {
        "model": {
            "credentials": {"user": "me", "port": 5432, "keys": ["a", {"b": "c"}]},
            "layers": [1, 2],
        }
    }
    assert masked(config) == {
        "model": {
            "credentials": {"user": "***", "port": 5432, "keys": ["***", {"b": "***"}]},
            "layers": [1, 2],
        }
    }
    assert list(secrets_in({"api_key": {"grid_search": ["a", "b"]}})) == [
        ("api_key", "grid_search", 0),
        ("api_key", "grid_search", 1),
    ]


def test_the_config_itself_is_left_as_it_is():
    config = {"api_key": "a", "more": [{"token": "b"}]}
    masked(config)
    assert config == {"api_key": "a", "more": [{"token": "b"}]}


def test_passwords_in_addresses():
    config = {
        "database": "postgresql://me:hunter2@db.example/x",
        "repo": "ssh://git@example.org/x",
        "page": "http://a/b:c@d",
    }
    assert masked(config) == {**config, "database": "postgresql://me:***@db.example/x"}
    assert is_mask(masked(config)["database"])


def test_values_by_path():
    values = {"model.api_key": "a", "credentials.0": "b", "lr": 0.1, "model": {"token": "c"}}
    assert masked_by_path(values) == {
        "model.api_key": "***",
        "credentials.0": "***",
        "lr": 0.1,
        "model": {"token": "***"},
    }


def test_of_a_spec_only_configs_are_masked():
    spec = {
        "secret_sauce": {"alg": "script", "config": {"api_key": "a", "lr": 1}},
        "b": None,
        "c": {"env": "x"},
    }
    expected = {
        "secret_sauce": {"alg": "script", "config": {"api_key": "***", "lr": 1}},
        "b": None,
        "c": {"env": "x"},
    }
    assert masked_spec(spec) == expected


def test_a_schedule_and_what_is_tried_first_are_masked():
    step = {"at": 3, "config": {"api_token": "a", "auth.password": 1, "hf_token.x": "b", "lr": 1}}
    hidden = {"api_token": "***", "auth.password": "***", "hf_token.x": "***", "lr": 1}
    replay = {"replay": {"schedule": [step]}}
    experiment = {"scheduler": ["plateau", replay], "try_first": [step["config"]]}
    replayed = {"replay": {"schedule": [{"at": 3, "config": hidden}]}}
    expected = {"scheduler": ["plateau", replayed], "try_first": [hidden]}
    assert masked_spec({"e": experiment}) == {"e": expected}
    assert masked_spec({"e": {"scheduler": "pbt"}}) == {"e": {"scheduler": "pbt"}}
    assert masked_spec({"e": {"scheduler": replay}})["e"]["scheduler"] == replayed
    where = ("scheduler", 1, "replay", "schedule", 0, "config", "hf_token.x")
    assert where in list(secrets_of(experiment))
    assert ("try_first", 0, "auth.password") in list(secrets_of(experiment))


def test_what_stands_for_a_secret_is_one():
    config = {"api_key": "***", "db": "a://me:***@b", "sep": "***"}
    assert masked(config) == config
    assert list(secrets_in(config)) == [("api_key",), ("db",)]
