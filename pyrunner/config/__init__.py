"""config.toml: typed model, reading with positions, editing that keeps the rest of the file."""
