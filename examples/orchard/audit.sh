#!/bin/sh
# Exits 3 when a list holds a rotten pear.
if grep -n rotten "$1"; then
  echo "a rotten pear: the harvest cannot be sold" >&2
  exit 3
fi
