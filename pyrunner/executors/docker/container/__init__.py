"""What a container is created with: config.toml and payload, key by key (docker-executor.md 1.4, 9)."""
