#!/bin/sh
# Prints one line for each pear of a large harvest.
awk -v n="$1" 'BEGIN { for (i = 1; i <= n; i++) printf "crate %05d: pear %d of %d\n", (i - 1) / 24 + 1, i, n }'
