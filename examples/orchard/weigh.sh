#!/bin/sh
# Prints the weight of all pears in a list of "name grams".
awk '{ total += $2 } END { printf "%d pears, %d g\n", NR, total }' "$1"
