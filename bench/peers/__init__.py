"""The bare core of a night, written as a user of each engine would; `python -m bench.peers` runs and compares them."""
