"""The fake recorder does what the real one does."""

from tune_tasks.testing import FakeRecorder, RecorderContract


class TestFakeRecorder(RecorderContract):
    travels = False

    def make(self, folder):
        return FakeRecorder()

    def copy_of(self, recorder, info):
        return recorder.copies[info.key]

    def log_of(self, recorder, info):
        return recorder.logs[info.key]

    def kill(self, recorder):
        recorder.is_away = True

    def restart(self, recorder):
        recorder.restart()


def test_trackers_may_take_their_time():
    recorder = FakeRecorder()
    recorder.missing = [None, {"MLflow": "2 trials; away"}]
    answers = [recorder.drain(1.0, timeout_s=1.0) for _ in range(3)]
    assert answers == [None, {"MLflow": "2 trials; away"}, {}]
