"""From a spec's config, in the words of 2017 or of today, to RLlib's own."""
