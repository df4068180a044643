"""The runner's half of the runner API, over requests."""
