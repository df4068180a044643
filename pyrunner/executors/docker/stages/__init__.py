"""Stages that run in a container, and the containers that they run in (docker-executor.md 1.3; design R3)."""
