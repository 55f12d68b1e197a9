"""The command line `./tmrl`: set-up, checks, benchmarks, keys, service calls."""
