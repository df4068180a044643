"""What the runner manager counts, and the HTTP server that shows it (config-and-commands.md 4)."""
