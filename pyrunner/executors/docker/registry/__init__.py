"""Credentials of registries, from every place that docker itself takes them from (docker-executor.md 4)."""
