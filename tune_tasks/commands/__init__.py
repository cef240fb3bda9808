"""The commands of `tune-tasks`: one file each, and what they need."""
