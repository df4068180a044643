#!/bin/sh
# Picks the given number of pears.
i=0
while [ "$i" -lt "$1" ]; do
  i=$((i + 1))
  printf '\033[32mpicked\033[0m pear %d\n' "$i"
done
