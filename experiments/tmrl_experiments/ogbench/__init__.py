"""The paper's OGBench experiments: data, coverage before RL, learning curves."""
