#!/bin/sh
# fruit.sh NAME COUNT: a line for each piece
i=1
while [ "$i" -le "$2" ]; do
    echo "$1 $i"
    i=$((i + 1))
done
