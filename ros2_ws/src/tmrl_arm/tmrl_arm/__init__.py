"""One interface to every arm, the node that hosts a driver, and the drivers."""
