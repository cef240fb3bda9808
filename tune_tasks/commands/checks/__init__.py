"""What `tune-tasks doctor` looks at: one file for each group of checks."""
