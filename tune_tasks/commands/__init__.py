"""What the command line does besides running a sweep: one file a command."""
