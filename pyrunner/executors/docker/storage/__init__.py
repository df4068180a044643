"""Volumes and folders of the host that containers use (docker-executor.md 7)."""
