"""A recorder in this process: the real one, without Ray."""

from tune_tasks.recording.client import RecorderAwayError, RecorderClient
from tune_tasks.recording.recorder import Recorder
from tune_tasks.testing import FakeTracker


class LocalRecorder(RecorderClient):
    """Calls a `Recorder`; None stands for a dead one."""

    def __init__(self, *trackers, **arguments):
        self.stores = [tracker.store for tracker in trackers]
        self.arguments = arguments
        self.asked = None
        self.recorder = Recorder(trackers[0], trackers[1:], **arguments)

    def kill(self):
        self.recorder.end()
        self.recorder = None

    def restart(self):
        self.kill()
        trackers = [FakeTracker(store=store) for store in self.stores]
        self.recorder = Recorder(trackers[0], trackers[1:], **self.arguments)

    def begin(self, sweep, *, again=False):
        if self.recorder:
            self.recorder.begin(sweep, again=again)

    def request_stop(self, stop, keys=None):
        if self.recorder:
            self.recorder.request_stop(stop, keys)

    def restore(self, info, progress, outcome):
        if self.recorder:
            self.recorder.restore(info, progress, outcome)

    def answer(self, key, number):
        if self.recorder:
            self.recorder.answer(key, number)

    def ask_news(self, since, wait_s=0.0):
        self.asked = (since, wait_s)

    def news(self, timeout_s=0.0):
        asked, self.asked = self.asked, None
        if asked is None:
            return None
        if self.recorder is None:
            raise RecorderAwayError("dead")
        return self.recorder.news(*asked)

    def drain(self, patience_s, *, timeout_s):
        if self.recorder is None:
            return {"the recorder": "dead"}
        return self.recorder.drain(patience_s)

    def close_sweep(self, summary, *, timeout_s):
        return self.recorder and self.recorder.close_sweep(summary)

    def release(self):
        if self.recorder:
            self.recorder.end()

    def open(self, info):
        return self.recorder and self.recorder.open(info)

    def update(self, key, heartbeat, offset=0, data=b"", log=None):
        return self.recorder and self.recorder.update(key, heartbeat, offset, data, log)

    def put(self, key, piece):
        return self.recorder and self.recorder.put(key, piece)

    def settle(self, key, aside, name):
        return self.recorder and self.recorder.settle(key, aside, name)

    def names(self, folder):
        return None if self.recorder is None else self.recorder.names(folder)

    def get(self, path, offset):
        return self.recorder and self.recorder.get(path, offset)

    def close(self, key, outcome):
        return self.recorder is not None and self.recorder.close(key, outcome)
