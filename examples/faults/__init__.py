"""A service that loses what it depends on."""
