"""Other tools' sweep files, and those of 2017, as specs of ours. Pure."""
