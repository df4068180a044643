"""Where a stage runs: the contract (:mod:`.base`) and its implementations."""
