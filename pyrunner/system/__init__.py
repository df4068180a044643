"""What the operating system offers: files, locks, processes, cgroups, clocks, logs."""
