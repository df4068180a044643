"""From gitlab-runner to pyrunner on one host, and back: what differs, config.toml, the services."""
