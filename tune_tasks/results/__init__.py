"""What came out of a sweep: summary, leaderboard, plots and report."""
