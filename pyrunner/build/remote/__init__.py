"""Signs operations of remote caches in a process of its own, with the providers' own libraries."""
