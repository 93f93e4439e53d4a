"""An application of several containers."""
