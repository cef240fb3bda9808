"""For tests of trackers, schedulers and trainables: fakes, and the contract suites of our own."""
