"""pyrunner as a service of the machine, or of a user: systemd units and their control."""
