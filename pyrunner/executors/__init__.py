"""Where a stage runs: the contract and its implementations."""
