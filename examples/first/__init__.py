"""The smallest test with a container."""
