"""The command that trains RLlib's algorithms: what it refuses."""


def test_an_algorithm_without_an_environment_is_refused(refusal):
    assert refusal("train", "--alg", "PPO") == (
        "error: nothing to train: give --alg and --env (--alg=PPO --env=CartPole-v1), or a spec"
        " file (-f spec.yaml)\n"
    )
