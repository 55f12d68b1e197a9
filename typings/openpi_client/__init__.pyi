# The library is typed in part; described is what this repository uses.
